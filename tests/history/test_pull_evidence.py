"""A pulled release is believed no more than a live source: what this ledger contradicts is disputed."""

import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gpuledger
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.decide import decide
from gpuledger.flows.ledger import LedgerWriter as Writer
from gpuledger.flows.replay import replay
from gpuledger.release.pull import pull
from gpuledger.release.write import release
from gpuledger.scrapers.archives.registry import EVERY_SOURCE
from tests.history.test_pull import bind

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
P5 = "select usd_per_gpu_hour from offer_latest where sku = 'p5.48xlarge' and region = 'us-east-1' and source = $1"


def poisoned(folder: Path, home: Home, factor: Decimal, *, at: datetime) -> None:
    """A release of the home whose price of one machine is another one, as seen by a live source just now."""
    release(gpuledger.Ledger(home.path, clock=lambda: at, environ={}), folder)
    path = folder / "offers.parquet"
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row |= {"source": "runpod", "last_seen_at": at}
        if (row["sku"], row["region"]) == ("p5.48xlarge", "us-east-1"):
            row["amount"] *= factor
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    bind(folder)


@pytest.fixture(scope="module")
def a_tenth(list_home: Home, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where such a release is, of a tenth of the price."""
    folder = tmp_path_factory.mktemp("tenth") / "out"
    poisoned(folder, list_home, Decimal("0.1"), at=AT)
    return str(folder)


@pytest.fixture
def own_home(list_home: Home, tmp_path: Path) -> Home:
    """A ledger of the bundled list, to be written."""
    return Home(Path(shutil.copytree(list_home.path, tmp_path / "own")))


def writer_of(home: Home, at: datetime) -> Writer:
    return Writer(home=home, sources=EVERY_SOURCE, clock=lambda: at)


def pulled_price(home: Home) -> list[Decimal]:
    with reading(home) as connection:
        return [usd for (usd,) in connection.execute(P5, ["release"]).fetchall()]


def test_a_price_that_this_ledger_contradicts_is_disputed_with_its_evidence(own_home, a_tenth):
    done = pull(writer_of(own_home, AT), a_tenth)
    assert done.disputed == 1
    assert "0.688" in done.evidence[0] and "6.88" in done.evidence[0]
    assert pulled_price(own_home) == []
    with reading(own_home) as connection:
        disputed = connection.execute("select source, sku, region, claim from disputed_latest").fetchall()
        others = connection.execute("select count(*) from offer_latest where source = 'release'").fetchall()
    assert disputed == [("release", "p5.48xlarge", "us-east-1", "new")]
    assert others[0][0] > 50


def test_what_is_accepted_of_a_release_counts_and_a_replay_gives_the_same(own_home, a_tenth):
    pull(writer_of(own_home, AT), a_tenth)
    later = AT + timedelta(hours=1)
    decide(
        writer_of(own_home, later), "accept", "release", reason="the provider says so", decided_by="a test"
    )
    assert pulled_price(own_home) == [Decimal("0.688")]
    again = replay(writer_of(own_home, later))
    assert (again.added, again.removed) == (0, 0)
    assert pulled_price(own_home) == [Decimal("0.688")]


@pytest.mark.deep
def test_a_release_that_says_the_same_for_two_days_is_believed_unless_it_is_far_off(
    list_home, own_home, tmp_path
):
    for day in range(3):
        at = AT + timedelta(days=day)
        poisoned(tmp_path / f"out{day}", list_home, Decimal("0.5"), at=at)
        done = pull(writer_of(own_home, at), str(tmp_path / f"out{day}"))
        assert (done.disputed, len(pulled_price(own_home))) == ((1, 0) if day < 2 else (0, 1))

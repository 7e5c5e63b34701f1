# ruff: noqa: E501 - rows of tables are as long as their archives write them
"""Archives into a ledger: one history however often and in whatever order, never above a direct look."""

import csv
import io
import os
import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuledger.core.errors import SourceError
from gpuledger.core.store import sql
from gpuledger.core.store.home import Home
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import reading
from gpuledger.flows.imports import (
    BUNDLED,
    ImportReport,
    files_of,
    import_address,
    import_files,
    load_bundled,
    take_list,
)
from gpuledger.flows.pipeline import LedgerWriter, record_runs, source_row
from gpuledger.flows.replay import price_history, replay
from gpuledger.flows.source_states import imported_lists
from gpuledger.scrapers.archives.registry import ARCHIVES, archive
from gpuledger.scrapers.registry import SOURCES
from tests.template import start_migrated

HEAD = "observed_at,event,provider,instance_type,region,price_usd_hour\n"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 10, 7, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def ledger_in(folder: Path, *more) -> LedgerWriter:
    ledger = LedgerWriter(home=Home(folder), sources=(*ARCHIVES, *more), clock=Clock())
    if not ledger.home.database.exists():
        start_migrated(ledger.home, [source_row(source) for source in ledger.sources], ledger.alias_rows())
    return ledger


def take(
    ledger: LedgerWriter, tmp_path: Path, *texts: str, name: str = "changes", **context: str
) -> ImportReport:
    folder = tmp_path / f"in-{random.getrandbits(40):x}"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.csv").write_text(text)
    return import_files(ledger, archive(name), files_of(folder), context=context)


def history(ledger: LedgerWriter) -> list[tuple]:
    return price_history(ledger)


def price(ledger: LedgerWriter, at: str | None = None, **filters) -> dict[str, str]:
    with reading(ledger.home) as connection:
        found = offers(
            connection, OfferQuery(**filters), as_of=datetime.fromisoformat(f"{at}+00:00") if at else None
        )
    return {
        f"{offer.source} {offer.sku} {offer.region}": f"{offer.usd_per_hour.normalize():f}" for offer in found
    }


P5 = f"{HEAD}2025-01-01T00:00:00Z,baseline,aws,p5.48xlarge,us-east-1,98.32\n"


def test_taking_the_same_file_again_changes_nothing(tmp_path):
    ledger = ledger_in(tmp_path / "home")
    take(ledger, tmp_path, P5)
    before = history(ledger)
    report = take(ledger, tmp_path, P5)
    assert (report.files, report.known_files, report.cycle.runs) == (1, 1, ())
    assert history(ledger) == before


def test_the_same_bytes_of_another_day_are_another_observation(tmp_path):
    ledger = ledger_in(tmp_path / "home")
    row = "provider,instance_type,region,price_usd_hour\naws,p5.48xlarge,us-east-1,98.32\n"
    take(ledger, tmp_path, row, observed_at="2025-01-01")
    take(ledger, tmp_path, row, observed_at="2025-02-01")
    with reading(ledger.home) as connection:
        assert connection.execute("select count(*) from price_change").fetchone() == (2,)


def test_each_list_is_shown_with_its_own_span(tmp_path):
    ledger = ledger_in(tmp_path / "home")
    # two files of one import, and one of another
    take(ledger, tmp_path, P5, P5.replace("2025-01-01", "2025-06-01").replace("98.32", "55.04"))
    take(ledger, tmp_path, P5.replace("2025-01-01", "2021-03-01"))
    with reading(ledger.home) as connection:
        spans = [(f"{row['covers_from']:%Y-%m}", row["rows"]) for row in imported_lists(connection)]
    assert spans == [("2021-03", 1), ("2025-01", 1), ("2025-06", 1)]


def test_a_removed_offer_ends_and_a_later_row_opens_it_again(tmp_path):
    ledger = ledger_in(tmp_path / "home")
    take(
        ledger,
        tmp_path,
        P5
        + "2025-03-01T00:00:00Z,removed,aws,p5.48xlarge,us-east-1,\n"
        + "2025-05-01T00:00:00Z,added,aws,p5.48xlarge,us-east-1,55.04\n",
    )
    assert price(ledger, "2025-02-01") == {"changes p5.48xlarge us-east-1": "98.32"}
    assert price(ledger, "2025-04-01") == {}
    assert price(ledger, "2025-06-01") == {"changes p5.48xlarge us-east-1": "55.04"}


def test_an_absurd_row_is_left_out_alone_and_counted(tmp_path):
    ledger = ledger_in(tmp_path / "home")
    report = take(ledger, tmp_path, P5 + "2025-02-01T00:00:00Z,changed,aws,p5.48xlarge,us-east-1,98320\n")
    (run,) = report.cycle.runs
    assert (run.outcome, run.offers) == ("accepted", 1)
    with reading(ledger.home) as connection:
        skipped = connection.execute("select reason, row_count from skipped_row").fetchall()
    assert skipped == [("a price that no such GPU ever had", 1)]


@pytest.mark.recovery
def test_replaying_the_archive_of_imports_gives_the_same_history(tmp_path):
    ledger = ledger_in(tmp_path / "home")
    take(ledger, tmp_path, P5, P5.replace("98.32", "55.04").replace("2025-01", "2025-07"))
    report = replay(ledger, keep=False)
    assert (report.intervals, report.added, report.removed) == (2, 0, 0)


ROW = st.tuples(
    st.integers(0, 6),  # day
    st.sampled_from(["p5.48xlarge", "p4d.24xlarge"]),
    st.sampled_from(["10", "20", "30.5", None]),
)


LISTS = st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=2, max_size=4)


@pytest.fixture(scope="module")
def blank(tmp_path_factory) -> Path:
    """A ledger that has seen nothing, to be copied: making one takes longer than a list."""
    home = Home(tmp_path_factory.mktemp("blank") / "home")
    record_runs(LedgerWriter(home=home, sources=ARCHIVES, clock=Clock()), [])
    return home.path


def everything(folder: Path, blank: Path, texts: list[str]) -> tuple[object, ...]:
    """What a ledger knows after these lists, in the order of their arrival."""
    shutil.copytree(blank, folder / "home")
    ledger = ledger_in(folder / "home")
    for text in texts:
        take(ledger, folder, text)
    with reading(ledger.home) as connection:
        current = connection.execute(
            "select offer_id, changed_at, amount from offer_current order by offer_id"
        ).fetchall()
    return history(ledger), current, price(ledger), price(ledger, "2025-01-04")


def same_in_any_order(tmp_path_factory, blank: Path, lists: list[list[tuple]], seed: int) -> None:
    texts = [
        HEAD
        + "".join(
            f"2025-01-{day + 1:02}T00:00:00Z,{'removed' if usd is None else 'changed'},aws,{sku},us-east-1,{usd or ''}\n"
            for day, sku, usd in rows
        )
        for rows in lists
    ]
    shuffled = random.Random(seed).sample(texts, len(texts))
    orders = (everything(tmp_path_factory.mktemp("order"), blank, order) for order in (texts, shuffled))
    assert next(orders) == next(orders)


EACH = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=2, derandomize=True, **EACH)
@given(lists=LISTS, seed=st.integers(0, 999))
@pytest.mark.recovery
def test_lists_in_any_order_give_the_same_history(tmp_path_factory, blank, lists, seed):
    """A few whole ledgers; `tests/store/test_list_order.py` tries the same with many lists and no files."""
    same_in_any_order(tmp_path_factory, blank, lists, seed)


@pytest.mark.faults
@settings(max_examples=60, **EACH)
@given(lists=LISTS, seed=st.integers(0, 999))
def test_many_lists_in_any_order_give_the_same_history(tmp_path_factory, blank, lists, seed):
    same_in_any_order(tmp_path_factory, blank, lists, seed)


REAL = os.environ.get("GPULEDGER_HISTORY")


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> LedgerWriter:
    if REAL is None:
        pytest.skip("GPULEDGER_HISTORY is not set: no recorded archives to import")
    ledger = ledger_in(tmp_path_factory.mktemp("real") / "home")
    folder = Path(REAL)
    for path, context in (
        ("aws_karpenter_2022_2026/changes_aws.csv", {"provider": "aws"}),
        ("azure_karpenter_2023_2026/gpu_changes.csv", {"provider": "azure"}),
        ("aws_p5_daily_2025_2026/gpu_prices.csv", {"provider": "aws", "region": "us-east-1"}),
        ("aws_ec2details_2018_2022/changes.csv", {"provider": "aws"}),
        ("aws_sparecores_2024_02/server_price.csv", {}),
    ):
        # the lists in the order of their coming change nothing; tests/store/test_list_order.py tries all orders
        report = import_files(ledger, archive("changes"), files_of(folder / path), context=context)
        assert [run.outcome for run in report.cycle.runs] == ["accepted"], path
    return ledger


@pytest.mark.deep
@pytest.mark.parametrize(
    ("day", "p5", "p4d"),
    [("2025-06-01", "98.32", "32.7726"), ("2025-06-30", "55.04", "21.957642")],
    ids=["before the cut of June 2025", "after it"],
)
def test_the_cut_of_june_2025_is_in_the_real_archives(real, day, p5, p4d):
    found = price(real, day, providers=["aws"], regions=["us-east-1"], purchase_options=["on_demand"])
    assert found["changes p5.48xlarge us-east-1"] == p5
    assert found["changes p4d.24xlarge us-east-1"] == p4d


@pytest.mark.deep
def test_no_snapshot_of_2024_hides_the_cut_of_june_2025(real):
    """p5 -44 %, p4d -33 %, wherever a list still covers the day; the snapshot of February 2024 is history by then."""
    with reading(real.home) as connection:
        states = {}
        for day in ("2025-06-01", "2025-06-30"):
            at = datetime.fromisoformat(f"{day}T00:00:00+00:00")
            for offer in offers(connection, OfferQuery(providers=["aws"]), at=at, as_of=at):
                if offer.sku in {"p5.48xlarge", "p4d.24xlarge"} and offer.purchase_option == "on_demand":
                    states[day, offer.sku, offer.region] = (offer.usd_per_hour, offer.price_state(at))
    alive = {key: usd for key, (usd, state) in states.items() if state != "lapsed"}
    assert {region for _, _, region in alive} == {"us-east-1"}
    for sku, cut in (("p5.48xlarge", -44), ("p4d.24xlarge", -33)):
        before, after = (alive[day, sku, "us-east-1"] for day in ("2025-06-01", "2025-06-30"))
        assert round(100 * float(after / before - 1)) == cut
    elsewhere = {
        region
        for (_, sku, region), (usd, _) in states.items()
        if usd == Decimal("98.32") and region != "us-east-1"
    }
    assert elsewhere, "the snapshot of February 2024 lists p5 in other regions"


@pytest.mark.deep
def test_real_azure_prices_reach_back_to_2023(real):
    found = price(real, "2023-11-15", providers=["azure"], regions=["eastus"])
    assert len(found) >= 20


@pytest.mark.deep
def test_every_refused_row_of_the_real_archives_has_a_reason(real):
    with reading(real.home) as connection:
        rows = connection.execute("select reason, sum(row_count) from skipped_row group by all").fetchall()
    assert sum(count for _, count in rows) > 10_000
    assert all(reason for reason, _ in rows)


def test_a_direct_look_at_the_same_time_goes_before_the_archive(tmp_path, world, listing):
    world.ledger = LedgerWriter(
        home=world.ledger.home, sources=(*world.ledger.sources, *ARCHIVES), clock=world.clock
    )
    world.refresh(listing(a=2, b=3))
    at = world.clock.now.isoformat()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "observed_at",
            "provider",
            "sku",
            "region",
            "gpu_label",
            "gpu_count",
            "gpu_memory_gib",
            "usd_per_gpu_hour",
        ]
    )
    writer.writerow([at, "runpod", "a", "global", "NVIDIA H100 80GB HBM3", 1, 80, "9"])
    take(world.ledger, tmp_path, out.getvalue())
    assert world.prices() == {"a": "2", "b": "3"}
    with reading(world.ledger.home) as connection:
        ids = connection.execute(
            "select offer_id, count(*) from offer group by 1 having count(*) = 2"
        ).fetchall()
    assert len(ids) == 1, "both sources must mean the same offer"


def test_an_archive_is_fetched_from_its_address_and_kept_under_it(tmp_path, world):
    ledger = LedgerWriter(home=world.ledger.home, sources=ARCHIVES, clock=world.clock)
    fetcher = replace(world.fetcher, urls={"changes": world.provider.url})
    world.provider.always(P5.encode())
    address = "https://archives.example/changes.csv"
    for news in (1, 0):
        report = import_address(ledger, archive("changes"), address, fetcher, context={})
        assert len(report.cycle.runs) == news
    with reading(ledger.home) as connection:
        assert connection.execute("select url from document").fetchall() == [(address,)]


def test_an_archive_that_is_not_there_is_a_source_error_and_leaves_nothing(tmp_path, world):
    ledger = LedgerWriter(home=Home(tmp_path / "none"), sources=ARCHIVES, clock=world.clock)
    fetcher = replace(world.fetcher, urls={"changes": world.provider.url})
    with pytest.raises(SourceError):
        import_address(ledger, archive("changes"), "https://archives.example/none.csv", fetcher, context={})
    assert not ledger.home.database.exists()


@pytest.mark.recovery
def test_a_first_command_that_was_killed_before_it_recorded_is_made_good_by_the_next(tmp_path, clock):
    ledger = LedgerWriter(home=Home(tmp_path), sources=SOURCES, clock=clock)
    source = ledger.source("bundled")
    assert take_list(ledger, source, sql.FOLDER / BUNDLED, url="gpuledger:list") is not None
    clock.forward(minutes=1)
    load_bundled(ledger)
    with reading(ledger.home) as connection:
        assert connection.execute("select count(*) > 20 from offer_latest").fetchall() == [(True,)]

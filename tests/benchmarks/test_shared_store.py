"""What a store that several machines share costs beside the embedded one: the same runs into both, in turns.

The server is on loopback and flushes every commit; over a network each round trip adds its latency, of which a
refresh has some dozens.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from gpuledger.core.alias import Alias, Aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer
from gpuledger.core.store.archive import Archive, Manifest, run_id
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.catalogue import hang_up
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import publish, reading
from gpuledger.core.store.record import record
from gpuledger.core.store.shared.follow import catch_up, recording
from gpuledger.core.store.shared.lake import close
from gpuledger.core.store.staging import Located
from tests.benchmarks.page import machine, table, write_section
from tests.postgres import NoServerError, Server, server

pytestmark = pytest.mark.benchmark_suite

OFFERS = 20_000
HOURS = 12
CHANGED = 0.077
"""Share of offers that change in an hour, as in the year of `docs/benchmarks.md`."""
ALIASES = (Alias("", "H100 SXM", None, "h100-sxm-80gb"),)
SOURCE = SourceRow(
    source="runpod",
    provider="runpod",
    kind="live",
    fresh_for_seconds=10_800,
    every_seconds=3600,
    homepage="https://prices.example/",
    licence="none",
)
START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def durable() -> Iterator[Server]:
    try:
        with server(durable=True) as made:
            yield made
    except NoServerError as error:
        pytest.skip(str(error))


def hour(number: int, prices: list[Decimal]) -> list[Offer]:
    return [
        Offer(
            provider="runpod",
            sku=f"sku-{place}",
            gpu_label="H100 SXM",
            gpu_count=Decimal(1),
            purchase_option="on_demand",
            availability="available",
            price=Price(amount=amount, unit=Unit.HOUR),
            observed_at=START + timedelta(hours=number),
        )
        for place, amount in enumerate(prices)
    ]


@dataclass
class Store:
    """One of the two, and what each step took there, in seconds."""

    home: Home
    steps: dict[str, list[tuple[float, float]]]

    def timed(self, step: str, do: Callable[[], object]) -> None:
        started, worked = time.perf_counter(), time.process_time()
        do()
        took = time.perf_counter() - started, time.process_time() - worked
        self.steps.setdefault(step, []).append(took)

    def bring(self, home: Home | None = None) -> None:
        """Open, bring to this release and up to the log, close: what every writer does first."""
        place = home or self.home
        with turn(place), writing(place) as connection:
            migrate(connection, sources=[SOURCE], aliases=ALIASES)
            catch_up(place, connection, Aliases(ALIASES))

    def take(self, batch: Batch) -> None:
        aliases = Aliases(ALIASES)
        with turn(self.home), writing(self.home) as connection:
            migrate(connection, sources=[SOURCE], aliases=ALIASES)
            catch_up(self.home, connection, aliases)
            with recording(self.home, connection, aliases, "runpod") as share:
                record(connection, batch, aliases, share=share)

    def publish(self, at: datetime) -> None:
        with turn(self.home):
            publish(self.home, now=at)

    def look(self) -> None:
        with reading(self.home) as connection:
            assert len(offers(connection, OfferQuery(max_rows=20))) == 20


def batch_of(home: Home, number: int, seen: list[Offer]) -> Batch:
    home.create()
    at = START + timedelta(hours=number)
    document = Document(
        source="runpod", request=Request(url="https://prices.example/"), body=b"{}", fetched_at=at
    )
    manifest = Manifest(
        run_id=run_id("runpod", at),
        source="runpod",
        started_at=at,
        observed_at=at,
        documents=(Archive(home.archive).put(document),),
    )
    return Batch(
        manifest=manifest,
        kind="live",
        parser_version=1,
        offers=[Located(fact=offer, document_no=0) for offer in seen],
    )


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def test_a_shared_store_beside_the_embedded_one(durable: Server, tmp_path: Path):
    embedded = Store(Home(tmp_path / "embedded"), {})
    lake = durable.lake(tmp_path / "shared")
    shared = Store(Home(tmp_path / "machine", lake=lake), {})
    other = replace(shared.home, path=tmp_path / "other")
    chance, prices = random.Random(1), [Decimal("2.5") + Decimal(place) / 10_000 for place in range(OFFERS)]
    for store in (embedded, shared):
        store.bring()
    shared.bring(other)
    for number in range(HOURS):
        seen = hour(number, prices)
        for store in (embedded, shared) if number % 2 else (shared, embedded):
            batch = batch_of(store.home, number, seen)
            store.timed("first refresh" if number == 0 else "refresh", partial(store.take, batch))
            store.timed("publish", partial(store.publish, batch.manifest.observed_at))
            store.timed("lookup", store.look)
            store.timed("opening with nothing new", store.bring)
        shared.timed("catch up on another machine", partial(shared.bring, other))
        for place in chance.sample(range(OFFERS), int(OFFERS * CHANGED)):
            prices[place] += Decimal("0.01")
    new = replace(shared.home, path=tmp_path / "new")
    shared.timed("catch up of a new machine, everything", partial(shared.bring, new))
    write_section("A store that several machines share", _page(embedded, shared, durable, tmp_path))
    close(lake)
    hang_up(lake)


def _middle(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Medians of the clock and of this process's CPU time."""
    return statistics.median(one for one, _ in times), statistics.median(cpu for _, cpu in times)


def _page(embedded: Store, shared: Store, durable: Server, folder: Path) -> str:
    rows: list[tuple[object, ...]] = []
    for step, times in shared.steps.items():
        (ours, ours_cpu), there = _middle(times), embedded.steps.get(step)
        if there is None:
            rows.append((step, "", f"{ours * 1000:.0f}", "", "", f"{ours_cpu * 1000:.0f}", ""))
            continue
        one, one_cpu = _middle(there)
        clock = (f"{one * 1000:.0f}", f"{ours * 1000:.0f}", f"{ours / one:.1f} x")
        rows.append(
            (step, *clock, f"{one_cpu * 1000:.0f}", f"{ours_cpu * 1000:.0f}", f"{ours_cpu / one_cpu:.1f} x")
        )
    ((size,),) = durable.query("select pg_database_size('postgres') - pg_database_size('template1')")
    kept = megabytes(embedded.home.database.parent / "archive"), embedded.home.database.stat().st_size / 1e6
    parquet = megabytes(folder / "shared" / "parquet")
    machine_file = shared.home.database.stat().st_size / 1e6
    text = f"""
{OFFERS:,} offers refreshed {HOURS} times, {CHANGED:.1%} of the prices change each time, into both stores in turns. The
catalogue is PostgreSQL on loopback with every commit flushed; Parquet on the local disk. "Opening with nothing new" is
what every refresh pays before it records. CPU time is that of our process, not of PostgreSQL. {machine()}.

"""
    columns = (
        "step, medians",
        "embedded, ms",
        "shared, ms",
        "ratio",
        "embedded, CPU ms",
        "shared, CPU ms",
        "ratio",
    )
    text += table(columns, rows)
    text += f"""

Disk: the embedded ledger is {kept[1]:.1f} MB. In the shared store the same is {parquet:.1f} MB of Parquet and
{size / 1e6:.1f} MB in the catalogue, and each machine has a ledger of {machine_file:.1f} MB beside it.
"""
    sys.stdout.write(text)
    return text

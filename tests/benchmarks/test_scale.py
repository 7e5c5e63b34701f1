# ruff: noqa: E501 - tables
"""How costs grow with offers, sources and readers, in processor time; writes the measured sections of docs/scale.md."""

import resource
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard

from gpuledger.core.alias import Aliases, seed_rows
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer
from gpuledger.core.store.archive import Archive, Manifest, run_id
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.evidence import Weighing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import publish, reading
from gpuledger.core.store.record import record
from gpuledger.core.store.staging import Located
from gpuledger.scrapers.registry import SOURCES
from tests.benchmarks.page import SCALE, machine, table, write_section
from tests.sources.recorded import ANSWERS, RECORDED

pytestmark = pytest.mark.benchmark_suite

START = datetime(2026, 11, 1, tzinfo=UTC)
GPUS = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S", "NVIDIA H200", "NVIDIA L4")
HOUR = timedelta(hours=1)
ALIASES = Aliases(seed_rows())
LOOKUP = "select provider, sku, usd_per_gpu_hour from offer_latest where gpu_id = 'h100-sxm-80gb' order by usd_per_gpu_hour limit 50"


def listed(source: str, count: int, moved: float = 0, step: int = 0) -> list[Located]:
    """So many offers; of a share of them the price moves a little with each step."""
    return [
        Located(
            fact=Offer(
                provider=source, sku=f"sku-{number}", region=f"region-{number % 40}", gpu_label=GPUS[number % len(GPUS)], gpu_count=Decimal(1 + number % 8), purchase_option="spot" if number % 3 == 0 else "on_demand",
                price=Price(amount=Decimal(200 + number % 97 + (step % 7 if number < moved * count else 0)) / 100, unit=Unit.GPU_HOUR), availability="available",
            ),
            document_no=0,
        )
        for number in range(count)
    ]  # fmt: skip


def a_batch(home: Home, source: str, at: datetime, rows: list[Located]) -> Batch:
    document = Document(
        source=source,
        request=Request(url=f"https://{source}.example/"),
        body=source.encode() + str(at).encode(),
        fetched_at=at,
    )
    manifest = Manifest(
        run_id=run_id(source, at),
        source=source,
        started_at=at,
        observed_at=at,
        documents=(Archive(home.archive).put(document),),
        is_complete=True,
    )
    return Batch(manifest=manifest, kind="live", parser_version=1, offers=rows, weighing=Weighing(every=HOUR, started_at=at))  # fmt: skip


def a_home(folder: Path, sources: list[str]) -> Home:
    home = Home(folder)
    home.create()
    rows = [
        SourceRow(
            source=name,
            provider=name,
            kind="live",
            fresh_for_seconds=10_800,
            every_seconds=3600,
            homepage="https://prices.example/",
            licence="made up",
        )
        for name in sources
    ]
    with turn(home), writing(home) as connection:
        migrate(connection, sources=rows, aliases=seed_rows())
    return home


def milliseconds(run: Callable[[], object]) -> float:
    """Of processor time, all threads."""
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1000


def recorded_in(home: Home, batches: list[Batch]) -> Callable[[], None]:
    def run() -> None:
        with turn(home), writing(home) as connection:
            for batch in batches:
                record(connection, batch, ALIASES)

    return run


def published_in(home: Home, at: datetime) -> Callable[[], None]:
    def run() -> None:
        with turn(home):
            publish(home, now=at)

    return run


def bytes_written() -> int:
    """To disk by this process, in blocks of 512."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_oublock * 512


def test_offers(tmp_path):
    lines: list[tuple[object, ...]] = []
    for count in (1_000, 4_000, 16_000, 60_000):
        home = a_home(tmp_path / str(count), ["made"])
        first = milliseconds(recorded_in(home, [a_batch(home, "made", START, listed("made", count))]))
        published_in(home, START + HOUR)()
        same = min(
            milliseconds(
                recorded_in(home, [a_batch(home, "made", START + HOUR * step, listed("made", count))])
            )
            for step in (1, 2)
        )
        moved = min(
            milliseconds(
                recorded_in(
                    home, [a_batch(home, "made", START + HOUR * step, listed("made", count, 0.02, step))]
                )
            )
            for step in (3, 4)
        )
        before = bytes_written()
        publishing = milliseconds(published_in(home, START + HOUR * 5))
        written = bytes_written() - before
        with reading(home) as connection:
            lookup = min(milliseconds(lambda: connection.execute(LOOKUP).fetchall()) for _ in range(3))
        lines.append(
            (
                f"{count:,}",
                f"{first:,.0f}",
                f"{same:,.0f}",
                f"{moved:,.0f}",
                f"{publishing:,.0f}",
                f"{written / 1e6:.1f}",
                f"{lookup:.0f}",
                f"{home.database.stat().st_size / 1e6:.1f}",
            )
        )
    write_section(
        "Offers of one source",
        f"Recording takes rows that are objects already, and includes evidence and the commit. {machine()}. Processor time.\n\n"
        + table(
            (
                "offers",
                "first run, ms",
                "the same again, ms",
                "2 % moved, ms",
                "publish, ms",
                "written by it, MB",
                "lookup of 50, ms",
                "ledger, MB",
            ),
            lines,
        ),
        SCALE,
    )


def test_sources(tmp_path):
    lines: list[tuple[object, ...]] = []
    for count in (1, 8, 25, 100):
        names = [f"made_{number}" for number in range(count)]
        home = a_home(tmp_path / str(count), names)

        def cycle(step: int, names: list[str] = names, home: Home = home) -> float:
            at = START + HOUR * step
            return milliseconds(
                recorded_in(home, [a_batch(home, name, at, listed(name, 200, 0.02, step)) for name in names])
            )

        cycle(0)
        published_in(home, START)()
        cost = min(cycle(step) for step in (1, 2))
        publishing = milliseconds(published_in(home, START + HOUR * 3))
        lines.append((count, f"{cost:,.0f}", f"{cost / count:,.0f}", f"{publishing:,.0f}"))
    write_section(
        "Sources",
        f"Each with 200 offers of which 2 % moved, recorded in one cycle. {machine()}. Processor time.\n\n"
        + table(("sources", "recording of a cycle, ms", "for each, ms", "publish, ms"), lines),
        SCALE,
    )


def test_readers(tmp_path):
    home = a_home(tmp_path / "home", ["made"])
    recorded_in(home, [a_batch(home, "made", START, listed("made", 16_000))])()
    published_in(home, START)()
    lines: list[tuple[object, ...]] = []
    for count in (1, 2, 4, 8, 16):

        def read() -> None:
            with reading(home) as connection:
                connection.execute("set threads = 1")
                for _ in range(8):
                    connection.execute(LOOKUP).fetchall()

        threads = [threading.Thread(target=read) for _ in range(count)]
        start = time.process_time(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cpu, clock = time.process_time() - start[0], time.perf_counter() - start[1]
        lines.append((count, f"{cpu * 1000 / count / 8:.0f}", f"{count * 8 / clock:.0f}"))
    write_section(
        "Readers",
        f"Threads of one process, each on a connection to the same snapshot of 16,000 offers, 8 lookups each. {machine()}.\n\n"
        + table(("readers", "processor time of a lookup, ms", "lookups a second by the clock"), lines),
        SCALE,
    )


@pytest.mark.skipif(RECORDED is None, reason="GPULEDGER_RECORDED is not set")
def test_a_year_of_answers():
    by_source: dict[str, int] = {}
    for answer in ANSWERS:
        body = answer.document.body
        by_source[answer.source] = by_source.get(answer.source, 0) + len(
            zstandard.ZstdCompressor(level=9).compress(body)
        )
    lines: list[tuple[object, ...]] = []
    total = runs = 0.0
    for source in sorted(SOURCES, key=lambda source: source.name):
        if source.name not in by_source or not source.requests:
            continue
        reads = timedelta(days=365) / source.every
        kib = by_source[source.name] / 1024
        total += reads * kib
        runs += reads
        lines.append(
            (
                source.name,
                f"{source.every.total_seconds() / 3600:g}",
                f"{reads:,.0f}",
                f"{kib:,.1f}",
                f"{reads * kib / 1024:,.0f}",
            )
        )
    lines.append(("**all**", "", f"{runs:,.0f}", "", f"{total / 1024:,.0f}"))
    write_section(
        "A year on disk",
        "Recorded answers of the wild, compressed as the archive compresses them, times the reads of a year, as if no answer ever came twice; "
        "an answer that does come again is kept once. Some recorded answers are one page of several, some are excerpts.\n\n"
        + table(("source", "every, h", "reads a year", "one read, KiB", "a year at most, MiB"), lines),
        SCALE,
    )

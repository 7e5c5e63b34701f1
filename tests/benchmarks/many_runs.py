"""A made-up archive of many thousands of runs: the real adapters at their own intervals, whose prices move.

The bytes are the recorded answers of `tests/captures`; what an adapter reads there moves with the time at which the
answer came, so the same archive is the same history again. Each offer of a marketplace, and spot, moves at every
twentieth read, some are sold out and some are other machines then; a price of a list moves once in a month.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zlib import crc32

from gpuledger.core.document import Document
from gpuledger.core.offer import Fact, Offer
from gpuledger.core.store.archive import Archive, FetchFailure, Manifest, run_id
from gpuledger.flows.timetable import last_time
from gpuledger.scrapers import registry
from gpuledger.scrapers.source import Source
from tests.sources.oracle import CAPTURES
from tools.captures import captures, read_capture

START = datetime(2026, 1, 5, tzinfo=UTC)

MOVING = frozenset({"akash", "aws_spot", "prime_intellect", "runpod", "shadeform", "tensordock", "vast"})
"""Sources whose prices move within hours."""

FAILED = 0.02
"""Share of runs that brought no answer."""


def moving(source: Source) -> Source:
    """The real adapter, whose list moves with the time of the answer."""
    is_market = source.name in MOVING
    period = source.every * 20 if is_market else timedelta(days=30)
    spread = 0.16 if is_market else 0.04

    def moved(at: datetime, fact: Fact) -> Iterator[Fact]:
        if not isinstance(fact, Offer):
            yield fact
            return
        name = f"{source.name} {fact.sku} {fact.region} {fact.purchase_option} {fact.gpu_count}"
        place = crc32(name.encode())
        # each offer moves at a time of its own within the period
        step = int((at - START + period * (place % 997 / 997)) / period)
        chance = crc32(f"{name} {step}".encode()) % 10_000 / 10_000
        if is_market and chance < 0.01:
            return  # sold out, and not listed
        factor = Decimal(f"{1 + spread * (chance - 0.5):.4f}")
        price = fact.price.model_copy(
            update={"amount": (fact.price.amount * factor).quantize(Decimal("1e-6"))}
        )
        is_other = is_market and place % 20 == 0
        yield fact.model_copy(
            update={"price": price, "sku": f"{fact.sku}-{step}"} if is_other else {"price": price}
        )

    def parse(document: Document) -> Iterator[Fact]:
        for fact in source.parse(document):
            yield from moved(document.fetched_at, fact)

    def batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
        assert source.parse_batch is not None
        for document, fact in source.parse_batch(documents):
            for one in moved(document.fetched_at, fact):
                yield document, one

    return replace(
        source,
        parse=parse,
        parse_batch=None if source.parse_batch is None else batch,
        contract=replace(source.contract, min_offers=1, must_have=()),
    )


def _documents(source: Source) -> list[Document]:
    return [read_capture(source.name, path) for path in captures(CAPTURES / source.name)]


def sources() -> tuple[Source, ...]:
    """Every live source whose answers are recorded."""
    return tuple(
        moving(one)
        for one in registry.SOURCES
        if one.requests and not one.is_dated_list and (CAPTURES / one.name).is_dir()
    )


def write_archive(archive: Archive, runs: int) -> datetime:
    """Write so many runs of all sources at their own times; returns a time after the last one."""
    kept = {
        source.name: (source, [archive.put(document) for document in _documents(source)])
        for source in sources()
    }
    next_at = {name: last_time(name, source.every, START) for name, (source, _) in kept.items()}
    at = START
    for number in range(runs):
        name = min(next_at, key=lambda each: next_at[each])
        source, entries = kept[name]
        at = next_at[name]
        next_at[name] = at + source.every
        is_failed = crc32(f"{number}".encode()) % 10_000 < FAILED * 10_000
        archive.write_manifest(
            Manifest(
                run_id=run_id(name, at),
                source=name,
                started_at=at,
                observed_at=at + timedelta(seconds=2),
                documents=()
                if is_failed
                else tuple({**entry, "fetched_at": at.isoformat()} for entry in entries),
                failure=FetchFailure(kind="SourceError", message="no answer", url="") if is_failed else None,
            )
        )
    return at + timedelta(hours=1)

"""Three days of all sources at their intervals, time compressed, with every tenth answer bad."""

import gc
import os
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price
from gpuledger.core.offer import Offer
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.pipeline import LedgerWriter, refresh_sources
from gpuledger.flows.validate import Parsed, read_documents
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source
from tests.faults.bad_answers import FAULTS
from tests.faults.hostile import HostileProvider, plain
from tests.faults.soundness import assert_archive_recorded, assert_replay_agrees, committed
from tools.captures import captures, read_capture

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
HOURS = 72
SETTLED = 36
"""Hour by which every adapter is loaded and the caches of the allocator are full."""
FAULTY = 0.1
LARGEST_GROWTH = 1 << 20
BAD = [name for name, fault in FAULTS.items() if fault.is_quick and fault.ends != "accepted"]


@dataclass
class Counter:
    """What the providers said."""

    good: int = 0
    bad: int = 0
    kinds: set[str] = field(default_factory=set)


def drifting(source: Source, start: datetime) -> Source:
    """The source on its captures, each price one thousandth dearer per hour, so that every good answer is news.
    The requests are those of the captures, and its contract is theirs as well: they are short."""

    def dearer(document: Document, fact: object) -> object:
        if not isinstance(fact, Offer):
            return fact
        hours = Decimal((document.fetched_at - start) // timedelta(hours=1))
        amount = (fact.price.amount * (1 + hours / 1000)).quantize(Decimal("0.000001"))
        price = Price(amount=amount, unit=fact.price.unit, currency=fact.price.currency)
        return fact.model_copy(update={"price": price})

    batch = source.parse_batch
    documents = [read_capture(source.name, path) for path in captures(CAPTURES / source.name)]
    usable = [document for document in documents if parsed(source, [document]).error is None]
    assert usable, f"no capture of {source.name} can be read alone"
    return replace(
        source,
        requests=tuple(
            Request(url=f"https://{source.name}.example/{number}", context=dict(document.request.context))
            for number, document in enumerate(usable[:1])
        ),
        fallback=(),
        credentials=(),
        follow=lambda document: iter(()),
        line_filter=lambda request: None,
        contract=Contract(min_offers=0, must_have=()),
        seconds_between_requests=0,
        parse=lambda document: (dearer(document, fact) for fact in source.parse(document)),
        parse_batch=(
            None
            if batch is None
            else lambda documents: ((document, dearer(document, fact)) for document, fact in batch(documents))
        ),
    )


def parsed(source: Source, documents: list[Document]) -> Parsed:
    from gpuledger.core.store.archive import Manifest

    at = documents[0].fetched_at
    manifest = Manifest(run_id="x", source=source.name, started_at=at, observed_at=at, documents=())
    return read_documents(source, manifest, documents)


def body_of(source: Source) -> bytes:
    documents = [read_capture(source.name, path) for path in captures(CAPTURES / source.name)]
    return next(document.body for document in documents if parsed(source, [document]).error is None)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.faults
def test_days_with_every_tenth_answer_bad(tmp_path, clock, tally):
    start = clock()
    live = [source for source in SOURCES if source.requests]
    sources = tuple(drifting(source, start) for source in live)
    bodies = {source.name: body_of(source) for source in live}
    providers = {source.name: HostileProvider() for source in sources}
    ledger = LedgerWriter(home=Home(tmp_path / "home"), sources=sources, clock=clock)
    chance, seen, memory, files, sizes = random.Random(24), Counter(), [], [], []
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=2, wait_seconds=0, timeout_seconds=2, total_seconds=5),
            environ={},
            urls={name: provider.url for name, provider in providers.items()},
            clock=clock,
        )
        for hour in range(HOURS):
            due = [source for source in sources if timedelta(hours=hour) % source.every < timedelta(hours=1)]
            for source in due:
                if chance.random() < FAULTY:
                    kind = chance.choice(BAD)
                    providers[source.name].behave = FAULTS[kind].behave()
                    seen.bad += 1
                    seen.kinds.add(kind)
                else:
                    providers[source.name].always(plain(bodies[source.name]))
                    seen.good += 1
            refresh_sources(ledger, due, fetcher)
            clock.forward(hours=1)
            memory.append(resident_mib())
            files.append(open_files())
            sizes.append(ledger.home.database.stat().st_size)
    for provider in providers.values():
        provider.close()
    with reading(ledger.home) as connection:
        outcomes = dict(
            connection.execute(
                "select outcome = 'accepted', count(*) from scrape_run group by all"
            ).fetchall()
        )
        observed, changes = connection.execute(
            "select (select sum(offer_count) from scrape_run where outcome = 'accepted'),"
            " (select count(*) from price_change)"
        ).fetchone()
        silent = connection.execute(
            "select count(*) from scrape_run where outcome <> 'accepted' and error_message is null"
        ).fetchone()
    assert outcomes == {True: seen.good, False: seen.bad}
    assert silent == (0,), "a fault without its error"
    assert changes == observed, "an observation is missing or there twice"
    found = committed(ledger)
    assert_archive_recorded(ledger, found)
    intervals = assert_replay_agrees(ledger)
    grown, more_files = memory[-1] - memory[SETTLED], files[-1] - files[SETTLED]
    assert grown < 32, memory
    assert more_files <= 2, files
    # DuckDB's file grows by blocks of 256 KiB; at the history benchmark's 6 bytes a change these days need none.
    larger = sizes[-1] - sizes[SETTLED]
    assert larger <= LARGEST_GROWTH, sizes
    section = f"{HOURS} simulated hours of {len(sources)} sources, {FAULTY:.0%} of answers bad"
    tally.note(section, "good answers, each recorded once", str(seen.good))
    tally.note(section, "bad answers, each a row of scrape_run with its error", str(seen.bad))
    tally.note(section, "different kinds of bad answers among them", str(len(seen.kinds)))
    tally.note(section, "prices observed, each one row of price_change", f"{changes:,}")
    tally.note(section, "intervals after replay, equal", f"{intervals:,}")
    tally.note(section, "growth of resident memory from hour 36 to hour 72", f"{grown:.1f} MiB")
    tally.note(section, "growth of open files from hour 36 to hour 72", str(more_files))
    tally.note(
        section,
        "database file after hour 1, 36 and 72",
        ", ".join(f"{sizes[hour] / 2**20:.1f} MiB" for hour in (0, SETTLED, -1)),
    )

"""Runs of an archive read and parsed by a process of its own, ahead of the one that records them.

To parse the answers takes a third of what a replay takes, and needs nothing of the ledger. What a run shows as the one
of its source before it did is not sent again.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.staging import Located
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import read_run
from gpuledger.flows.validate import Parsed, read_documents

WORTH_A_PROCESS = 50
"""Runs below which starting a process takes longer than it saves."""


PATIENCE_SECONDS = 300.0
"""Without a word of the process for so long, it is ended and the rest is read here: a lock that a thread of a library
held when the process was forked stays locked in it."""


@dataclass(frozen=True, kw_only=True)
class _Difference:
    """What a run shows, beside the one of its source before it."""

    manifest: Manifest
    offers: Sequence[int | Located] | None
    """Places among the offers of the run before, and other offers; None: all is as there."""
    rest: dict[str, Any] = field(default_factory=dict[str, Any])


def read_ahead(ledger: LedgerWriter, runs: Sequence[str]) -> Generator[tuple[Manifest, Parsed | None]]:
    """Each of the runs with what its documents say, as `read_run` has it, in order; `None` for a source of another
    release. Close it where it is not read to its end.

    Nothing is forked where other threads run: a lock that one of them holds stays locked in the new process for ever.

    Raises:
        CorruptError: the archive lacks or broke bytes.
    """
    left = list(reversed(runs))
    if not _is_alone(len(runs)):
        # a process that died leaves the rest to this one
        with suppress(EOFError):
            yield from _from_process(ledger, left)
    while left:
        yield _read(ledger, left.pop())


def _is_alone(runs: int) -> bool:
    return runs < WORTH_A_PROCESS or threading.active_count() > 1 or (os.cpu_count() or 1) == 1


def _read(ledger: LedgerWriter, run: str) -> tuple[Manifest, Parsed | None]:
    manifest = ledger.archive.manifest(run)
    return manifest, read_run(ledger, manifest)


def _from_process(ledger: LedgerWriter, left: list[str]) -> Generator[tuple[Manifest, Parsed | None]]:
    """Takes runs off the end of the list as they are read."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process: ForkProcess = context.Process(target=_send, args=(ledger, left, ours, theirs), daemon=True)
    process.start()
    theirs.close()
    last: dict[str, Parsed] = {}
    try:
        while left:
            if not ours.poll(PATIENCE_SECONDS):
                return
            difference: _Difference | None = ours.recv()
            run = left.pop()
            if difference is None:
                yield _read(ledger, run)
                continue
            name = difference.manifest.source
            parsed = _put_together(ledger, difference, last.get(name))
            last[name] = parsed
            yield parsed.manifest, parsed
    finally:
        # whoever writes then finds nobody there, and ends; whoever stands still is ended
        ours.close()
        process.join(1)
        process.kill()
        process.join()


def _put_together(ledger: LedgerWriter, difference: _Difference, before: Parsed | None) -> Parsed:
    manifest, offers = difference.manifest, difference.offers
    if before is not None and offers is None:
        return replace(before, manifest=manifest)
    source = before.source if before is not None else ledger.source(manifest.source)
    assert source is not None and offers is not None
    earlier = before.offers if before is not None else ()
    listed = [earlier[each] if isinstance(each, int) else each for each in offers]
    return Parsed(manifest=manifest, source=source, offers=listed, **difference.rest)


# In the other process.


def _send(ledger: LedgerWriter, left: list[str], ours: Connection, theirs: Connection) -> None:
    # Nothing of what the process came from is let go of here: a database that is open there is not closed.
    gc.freeze()
    ours.close()
    # refreshes, which go on meanwhile, come before it
    os.nice(5)
    # whoever reads says what is wrong with a run, and is the one who is interrupted
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    last: dict[str, Parsed] = {}
    with suppress(BrokenPipeError):
        for run in reversed(left):
            theirs.send(_difference(ledger, run, last))


def _difference(ledger: LedgerWriter, run: str, last: dict[str, Parsed]) -> _Difference | None:
    """What is sent of a run; None: whoever receives it reads it again, as what failed or is no list of offers."""
    try:
        manifest = ledger.archive.manifest(run)
        source = ledger.source(manifest.source)
        if source is None or source.is_dated_list or manifest.failure is not None:
            return None
        parsed = read_documents(source, manifest, ledger.archive.documents(manifest))
    except GPULedgerError:
        return None
    if parsed.error is not None or parsed.decision is not None or parsed.table is not None or parsed.lists:
        return None
    before = last.get(source.name)
    last[source.name] = parsed
    if before is not None and says_the_same(before, parsed):
        last[source.name] = replace(before, manifest=manifest)
        return _Difference(manifest=manifest, offers=None)
    rest = {name: getattr(parsed, name) for name in ("side_facts", "lists", "skipped", "contradictions")}
    return _Difference(manifest=manifest, offers=_places(before, parsed), rest=rest)


def _places(before: Parsed | None, parsed: Parsed) -> Sequence[int | Located]:
    earlier = before.offers if before is not None else ()
    place_of = {entry.fact.offer_id: place for place, entry in enumerate(earlier)}
    places: list[int | Located] = []
    for entry in parsed.offers:
        place = place_of.get(entry.fact.offer_id)
        places.append(place if place is not None and earlier[place] == entry else entry)
    return places


def says_the_same(before: Parsed, parsed: Parsed) -> bool:
    """Whether two runs of a source show the same. An operator's word lists no offer, and each is another."""
    return (
        parsed.decision is None
        and parsed.error is None
        and parsed.manifest.failure is None
        and parsed.offers == before.offers
        and parsed.side_facts == before.side_facts
        and parsed.skipped == before.skipped
        and parsed.contradictions == before.contradictions
    )

"""The archive read again by today's adapters: the same history, or what a corrected adapter makes of it.

It is built beside the ledger, while refreshes go on; the writers' turn is taken at the end only, for the runs that came
meanwhile and to put it in the old one's place.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gpuledger.core.errors import StoreBusyError, StoreError
from gpuledger.core.files import copy_file
from gpuledger.core.store import sql
from gpuledger.core.store.archive import started_at
from gpuledger.core.store.catalogue import clock_of
from gpuledger.core.store.clocks import check_machine, is_ahead
from gpuledger.core.store.database import file_lock, turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import describe_offers, publish
from gpuledger.core.store.shared.follow import follow
from gpuledger.core.store.shared.move import fill
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger
from gpuledger.flows.rebuild import ProgressCallback, Rebuild, no_progress

LOG = logging.getLogger("gpuledger")

BEFORE = "ledger.before.duckdb"
FEW = 20
"""So few runs may wait for the turn: they are rebuilt within it."""

PriceInterval = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay did; `added` and `removed` are price intervals that only one of the two histories has."""

    runs: int
    """Runs of the archive by sources of this release."""
    accepted: int
    intervals: int
    added: int
    removed: int
    examples: tuple[dict[str, Any], ...]
    unknown_sources: tuple[str, ...]
    snapshot: int | None


def replay(
    ledger: LedgerWriter,
    *,
    sources: Sequence[str] = (),
    since: datetime | None = None,
    keep: bool = True,
    progress: ProgressCallback = no_progress,
) -> ReplayReport:
    """Rebuild the database from the archive, compare, and put it in the old one's place. A replay that was stopped goes
    on where it was.

    Everything is replayed, since a ledger is one history; `sources` and `since` say what the comparison is
    about.

    Args:
        keep: take the rebuilt history; without it this is only a comparison.

    Raises:
        CorruptError: the archive lacks or broke bytes; nothing was changed.
        StoreBusyError: another replay is at work.
    """
    home = ledger.home
    home.create()
    home.check_store()
    with file_lock(home.path / "replay.lock", wait_seconds=1, whose="another replay"):
        rebuild = Rebuild(ledger, progress)
        rebuild.begin()
        while rebuild.go_on() > FEW:
            pass
        before = _before(ledger, sources, since)
        # What was recorded before the copy was made is in both.
        rebuild.go_on()
        after = price_history(replace(ledger, home=rebuild.home), sources, since)
        runs, accepted = _counts(rebuild.home)
        number = None
        if keep:
            rebuild.complete()
            number = _take(ledger, rebuild)
        else:
            rebuild.discard()
    had, has = set(before), set(after)
    added = [row for row in after if row not in had]
    removed = [row for row in before if row not in has]
    return ReplayReport(
        runs=runs,
        accepted=accepted,
        intervals=len(after),
        added=len(added),
        removed=len(removed),
        examples=tuple(_example("added", row) for row in added[:10])
        + tuple(_example("removed", row) for row in removed[:10]),
        unknown_sources=tuple(sorted(rebuild.unknown)),
        snapshot=number,
    )


def _before(ledger: LedgerWriter, sources: Sequence[str], since: datetime | None) -> list[PriceInterval]:
    """The history in use, read from a copy, so that writers wait for the copying alone. One that cannot be read holds
    nothing to compare with: a replay is what mends it."""
    copy = replace(ledger.home, database_name=BEFORE)
    copy.remove_database()
    try:
        with turn(ledger.home):
            if not ledger.home.database.exists():
                return []
            copy_file(ledger.home.database, copy.database)
        return price_history(replace(ledger, home=copy), sources, since)
    except OSError as error:
        raise StoreError(f"cannot copy {ledger.home.database}: {error.strerror}") from error
    except StoreBusyError:
        raise
    except StoreError as error:
        LOG.warning("the ledger in use cannot be compared with: %s", error)
        return []
    finally:
        # a copy that stays is overwritten by the next replay
        with suppress(StoreError):
            copy.remove_database()


def _take(ledger: LedgerWriter, rebuild: Rebuild) -> int:
    """Put the rebuilt ledger in the place of the one in use; returns the snapshot's number."""
    home, rebuilt = ledger.home, rebuild.home
    with turn(home):
        rebuild.go_on()
        _write_shared(home, rebuilt)
        try:
            home.remove_log()
            rebuilt.database.replace(home.database)
        except OSError as error:
            raise StoreError(f"cannot replace {home.database}: {error.strerror}") from error
        rebuild.discard()
        return publish(home, now=ledger.clock())


def _write_shared(home: Home, rebuilt: Home) -> None:
    """The rebuilt history in the place of the shared one. Runs that other machines recorded meanwhile are in the
    archive, and the next refresh of their source takes them for left over."""
    if home.follows is not None:
        with writing(rebuilt) as connection:
            follow(connection, fill(home.follows, connection, anew=True))


def _counts(home: Home) -> tuple[int, int]:
    with writing(home) as connection:
        row = sql.first(connection, "select count(*), count(*) filter (outcome = 'accepted') from scrape_run")
    return (row[0], row[1]) if row else (0, 0)


def price_history(
    ledger: LedgerWriter, sources: Sequence[str] = (), since: datetime | None = None
) -> list[PriceInterval]:
    """All price intervals of a ledger by natural keys, of some sources or of all; equal ledgers give equal rows.

    Raises:
        StoreError: the ledger cannot be opened.
    """
    with writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        # a ledger that is being rebuilt does not know yet which of its offers are one thing by several names
        describe_offers(connection)
        parameters = {"sources": list(sources) or None, "since": since}
        return connection.execute(sql.text("queries/history_export"), parameters).fetchall()


def _example(what: str, row: PriceInterval) -> dict[str, Any]:
    source, provider, _, sku, region, *_ = row
    return {
        "what": what,
        "source": source,
        "provider": provider,
        "sku": sku,
        "region": region,
        "valid_from": row[13],
        "valid_to": row[14],
        "amount": row[15],
        "currency": row[17],
        "unit": row[18],
    }


# One command after a clock was ahead: what it dated into the future is set aside, and the ledger is built
# again.
#
# What is set aside stays in the archive's folder `set-aside`, as evidence; its true time is not known.


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What a repair did."""

    set_aside: tuple[str, ...]
    """Runs whose time lies ahead of the clock."""
    replayed: ReplayReport | None
    """None where nothing had to be set aside."""


def repair(ledger: LedgerWriter) -> Repaired:
    """Set the runs aside that began ahead of the clock, and replay the others.

    Raises:
        ClockError: this machine's clock is ahead of the shared store's.
        StoreError: the disk refused, or the catalogue does not answer.
    """
    now = clock_of(ledger.home.lake) if ledger.home.lake else ledger.clock()
    check_machine(ledger.clock(), now)
    with turn(ledger.home):
        runs = [run for run in ledger.archive.run_ids(None) if is_ahead(started_at(run)[0], now)]
        for run in runs:
            try:
                ledger.archive.set_aside(run)
            except OSError as error:
                raise StoreError(f"cannot set {run} aside: {error.strerror}") from error
    return Repaired(set_aside=tuple(runs), replayed=replay(ledger) if runs else None)

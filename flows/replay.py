"""The archive read again by today's adapters: the same history, or what a corrected adapter makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import publish
from gpuledger.core.store.rollups import relist
from gpuledger.core.store.shared.follow import follow
from gpuledger.core.store.shared.move import fill
from gpuledger.flows.pipeline import Ledger, RunReport, open_ledger, read_run, record_one

REBUILT = "ledger.replay.duckdb"

Interval = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay did; `added` and `removed` are price intervals that only one of the two histories has."""

    runs: tuple[RunReport, ...]
    intervals: int
    added: int
    removed: int
    examples: tuple[dict[str, Any], ...]
    unknown_sources: tuple[str, ...]
    snapshot: int | None


def replay(
    ledger: Ledger, *, sources: Sequence[str] = (), since: datetime | None = None, keep: bool = True
) -> ReplayReport:
    """Rebuild the database from the archive, compare, and put it in the old one's place.

    Everything is replayed, since a ledger is one history; `sources` and `since` say what the comparison is
    about.

    Args:
        keep: take the rebuilt history; without it this is only a comparison.

    Raises:
        CorruptError: the archive lacks or broke bytes; nothing was changed.
    """
    home = ledger.home
    rebuilt = replace(home, database_name=REBUILT)
    with turn(home):
        # A replay that was killed leaves its log behind too, which must not be applied to another file.
        rebuilt.remove_database()
        runs, unknown = _rebuild(replace(ledger, home=rebuilt))
        before = _history(ledger, sources, since) if home.database.exists() or home.follows else []
        after = _history(replace(ledger, home=rebuilt), sources, since)
        had, has = set(before), set(after)
        added = [row for row in after if row not in had]
        removed = [row for row in before if row not in has]
        number = None
        if keep:
            _write_shared(home, rebuilt)
            try:
                home.remove_log()
                rebuilt.database.replace(home.database)
            except OSError as error:
                raise StoreError(f"cannot replace {home.database}: {error.strerror}") from error
            number = publish(home, now=ledger.clock())
        else:
            rebuilt.remove_database()
    return ReplayReport(
        runs=tuple(runs),
        intervals=len(after),
        added=len(added),
        removed=len(removed),
        examples=tuple(_example("added", row) for row in added[:10])
        + tuple(_example("removed", row) for row in removed[:10]),
        unknown_sources=unknown,
        snapshot=number,
    )


def _write_shared(home: Home, rebuilt: Home) -> None:
    """The rebuilt history in the place of the shared one. Runs that other machines recorded meanwhile are in the
    archive, and the next refresh of their source takes them for left over."""
    if home.follows is not None:
        with writing(rebuilt) as connection:
            follow(connection, fill(home.follows, connection, anew=True))


def _rebuild(ledger: Ledger) -> tuple[list[RunReport], tuple[str, ...]]:
    reports: list[RunReport] = []
    unknown: set[str] = set()
    with writing(ledger.home) as connection:
        aliases = open_ledger(ledger, connection)
        for manifest in ledger.archive.manifests():
            parsed = read_run(ledger, manifest)
            if parsed is None:
                unknown.add(manifest.source)
            else:
                reports.append(record_one(connection, parsed, aliases))
    return reports, tuple(sorted(unknown))


def _history(ledger: Ledger, sources: Sequence[str], since: datetime | None) -> list[Interval]:
    with writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        relist(connection)
        parameters = {"sources": list(sources) or None, "since": since}
        return connection.execute(sql.text("queries/history_export"), parameters).fetchall()


def _example(what: str, row: Interval) -> dict[str, Any]:
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


def history_of(home: Home, ledger: Ledger) -> list[Interval]:
    """All price intervals of a ledger by natural keys; equal ledgers give equal rows."""
    return _history(replace(ledger, home=home), (), None)

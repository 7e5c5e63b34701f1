"""Runs that an earlier process fetched and never recorded, and runs that another process recorded meanwhile: both are
told from what the archive and the ledger hold, and never guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import duckdb

from gpuledger.core.errors import CorruptError, StoreError
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest, run_id, started_at
from gpuledger.core.store.clocks import is_ahead
from gpuledger.flows.ledger import LedgerWriter, RunReport
from gpuledger.flows.validate import Parsed

RECOVERY = timedelta(days=40)
"""How far back a refresh looks for runs that were fetched and never recorded."""

ABANDONED = timedelta(minutes=15)
"""From this age on a run that another process fetched and did not record is taken for left over."""

LATE = "a later run of this source is recorded already; `gpuledger replay` takes both in their order"
AHEAD = "dated ahead of the clock; `gpuledger repair` sets it aside"


def left_over(
    ledger: LedgerWriter,
    connection: duckdb.DuckDBPyConnection,
    read_run: Callable[[LedgerWriter, Manifest], Parsed | None],
    *,
    ours: Iterable[str],
    at_hand: Iterable[str],
) -> tuple[list[Parsed], list[RunReport]]:
    """Runs of the archive that the ledger lacks, and those of them that cannot be read.

    Args:
        ours: runs that are being recorded anyway.
        at_hand: sources whose runs are taken however young; a young run of another source is in the hands of the
            process that fetched it.
    """
    now = ledger.clock()
    recorded = {row[0] for row in connection.execute("select run_id from scrape_run").fetchall()}
    passed, taken = {*recorded, *ours}, set(at_hand)
    young = run_id("", now - ABANDONED)
    runs: list[Parsed] = []
    broken: list[RunReport] = []
    for run in ledger.archive.run_ids(now - RECOVERY):
        if run in passed or (run > young and run.partition("Z-")[2] not in taken):
            continue
        if is_ahead(started_at(run)[0], now):
            broken.append(cannot_record(run, AHEAD))
            continue
        try:
            left = read_run(ledger, ledger.archive.manifest(run))
        except CorruptError as error:
            broken.append(cannot_record(run, str(error)))
            continue
        if left is not None:
            runs.append(left)
    return runs, broken


def cannot_record(run: str, error: str) -> RunReport:
    """A run that cannot be recorded: its part of the archive broke, came back late, or has no true time. Named until
    that is mended."""
    return RunReport(source=run.partition("Z-")[2], run_id=run, outcome="failed", error=error)


def report_of(connection: duckdb.DuckDBPyConnection, run: str) -> RunReport:
    """What became of a run that is in the ledger, whoever recorded it.

    Raises:
        StoreError: it is not there.
    """
    rows = sql.rows(connection, "queries/run_report", {"run_id": run})
    if not rows:
        raise StoreError(f"{run} was fetched and is not in the ledger")
    return RunReport(**rows[0], was_recorded=True)

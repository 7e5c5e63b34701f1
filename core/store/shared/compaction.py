"""Upkeep of a lake: rows in the catalogue go into Parquet, small files into larger ones, old commits are forgotten.

Writers go on meanwhile (docs/decisions/0033). What needs them to wait is done in steps, and the turn is given back
between two; merging, which takes longest, needs nobody to wait but whoever writes the whole log anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import duckdb

from gpuledger.core.config import LakeAddress
from gpuledger.core.store.catalogue import EVERYTHING, turn_at
from gpuledger.core.store.database import transaction
from gpuledger.core.store.shared.lake import TABLES, has_layout, lay_out, open_lake

TURN_SECONDS = 0.4
"""No step is begun after so long in one turn of everything."""
BETWEEN_TURNS_SECONDS = 0.15
"""Others look for their turn every 50 ms."""
COMMITS_A_STEP = 250
"""So many are forgotten at once."""

_SETTINGS = "ledger_setting"
"""The one table in which rows are deleted, so that it is never merged beside a writer."""


def maintain(address: LakeAddress, ledger: duckdb.DuckDBPyConnection) -> int:
    """Gather what many small commits left, and give a lake of an earlier release its layout. Returns the number of
    files that took the place of others.

    Raises:
        StoreError: the catalogue does not answer.
        StoreBusyError: another machine does it, or a writer kept its turn.
    """
    with (
        open_lake(address, ledger) as connection,
        turn_at(address, "compact", wait_seconds=60, whose="another compact"),
    ):
        if not has_layout(connection):
            _in_turns(address, [partial(_lay_out, connection)])
        # An insert beside a flush doubled rows elsewhere (duckdb/ducklake#650), so writers wait for each.
        _in_turns(address, [partial(_flush, connection, table) for table in (*TABLES, _SETTINGS)])
        merged = 0
        for table in TABLES:
            whose = "whoever writes the log anew"
            with turn_at(address, f"merge/{table}", wait_seconds=60, whose=whose, shared=EVERYTHING):
                merged += _merge(connection, table)
        _in_turns(address, [partial(_merge, connection, _SETTINGS)])
        past = _past_commits(connection)
        _in_turns(
            address,
            [
                partial(_expire, connection, past[start : start + COMMITS_A_STEP])
                for start in range(0, len(past), COMMITS_A_STEP)
            ],
        )
        # What no commit names any more, and only after a day: nobody waits for that.
        for clear in ("cleanup_old_files", "delete_orphaned_files"):
            connection.execute(f"call ducklake_{clear}('lake', older_than => now() - interval 1 day)")
    return merged


def _in_turns(address: LakeAddress, steps: Sequence[Callable[[], object]]) -> None:
    """Do the steps one after another in turns of everything, each of a few."""
    done = 0
    while done < len(steps):
        if done:
            time.sleep(BETWEEN_TURNS_SECONDS)
        with turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever records into the lake"):
            until = time.monotonic() + TURN_SECONDS
            while done < len(steps) and time.monotonic() < until:
                steps[done]()
                done += 1


def _lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        # another machine may have done it a moment ago
        if not has_layout(connection):
            lay_out(connection)


def _flush(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    connection.execute("call ducklake_flush_inlined_data('lake', table_name => $1)", [table])


def _merge(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return len(connection.execute("call ducklake_merge_adjacent_files('lake', $1)", [table]).fetchall())


def _past_commits(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Commits before the first of the last day, in their order. Machines read the newest alone; a day is for readers
    that began before, and for the change feed."""
    rows = connection.execute(
        "select snapshot_id, snapshot_time < now() - interval 1 day as is_past"
        " from ducklake_snapshots('lake') order by snapshot_id"
    ).fetchall()
    past: list[int] = []
    # the newest is what the lake is
    for number, is_past in rows[:-1]:
        if not is_past:
            break
        past.append(number)
    return past


def _expire(connection: duckdb.DuckDBPyConnection, commits: Sequence[int]) -> None:
    numbers = ", ".join(str(number) for number in commits)
    connection.execute(f"call ducklake_expire_snapshots('lake', versions => [{numbers}])")

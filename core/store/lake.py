# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""The log that several machines share: tables of DuckLake with their catalogue in PostgreSQL, Parquet beside.

Each machine keeps `ledger.duckdb` and its snapshots as ever; here they follow the shared log. Whoever records a
run holds the turn of its source, catches up with the log, records the run in its own database and, before that
commits, appends the run's rows to the log in one transaction (docs/decisions/0010). Rows are only ever appended,
so writers of different sources do not conflict. Numbers of runs, documents and offers are each machine's own; the
log names them by run, place and terms, and `sql/lake/catch_up` numbers them again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb

from core.alias import Aliases
from core.config import LakeAddress
from core.errors import MigrationError, StoreError
from core.store import sql
from core.store.catalogue import (
    EVERYTHING,
    SERVER_RETURNS_WITHIN_SECONDS,
    Turn,
    libpq,
    load,
    quoted,
    turn_at,
    unreachable,
)
from core.store.database import Home, transaction
from core.store.migrate import resolve_labels, setting, write_setting

TABLES = (
    "scrape_run",
    "document",
    "offer",
    "price_change",
    "stock_change",
    "skipped_row",
    "storage_price",
    "transfer_price",
    "exchange_rate",
    "interruption_band",
    "market_sample",
)
"""What is shared. The rest follows from it, or is reference data of the release."""

_BY_RUN_ALONE = ("skipped_row", "storage_price", "transfer_price", "interruption_band", "market_sample")
_DERIVED = ("offer_current", "price_checkpoint", "gpu_price_day", "derived")

INLINED_ROWS = 100
"""Up to so many rows an append goes into the catalogue and not into a Parquet file of its own; `maintain` moves
them. A refresh in a steady hour writes no file at all."""

Share = Callable[[int], None]
"""Appends the run of that number to the log; called inside the transaction that records it."""


@contextmanager
def recording(
    home: Home, connection: duckdb.DuckDBPyConnection, aliases: Aliases, source: str
) -> Generator[Share | None]:
    """The turn to record runs of one source, caught up with the log; `None` where the ledger is this home's own.

    Raises:
        StoreBusyError: another machine kept the turn.
        StoreError: the catalogue does not answer.
    """
    if home.follows is None:
        yield None
        return
    whose = f"another recorder of {source}"
    with turn_at(home.follows, f"record/{source}", wait_seconds=60, whose=whose, shared=EVERYTHING) as held:
        catch_up(home, connection, aliases)
        connection.execute(
            "create or replace temp table offer_before as from form_offer where source = $source",
            {"source": source},
        )
        yield lambda run_no: _append(connection, held, source, run_no)


def catch_up(home: Home, connection: duckdb.DuckDBPyConnection, aliases: Aliases) -> int:
    """Take what was appended to the log since the last time; returns the number of runs.

    Raises:
        StoreError: the home holds a ledger of its own, or the catalogue does not answer.
        MigrationError: the log is of a newer release.
    """
    if home.follows is None:
        if setting(connection, "lake") is not None:
            raise StoreError(
                f"{home.path} follows a shared store: set GPULEDGER_STORE to it, or use another home"
            )
        return 0
    join(home.follows, connection)
    try:
        with transaction(connection):
            return _take(home, connection, aliases)
    except duckdb.Error as error:
        raise unreachable(home.follows, error) from error


def join(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> None:
    """Attach the lake as `lake`; the first machine makes its tables.

    Raises:
        StoreError: an extension is missing, or the catalogue does not answer.
        MigrationError: the log is of a newer release.
    """
    if connection.execute("select 1 from duckdb_databases() where database_name = 'lake'").fetchone():
        return
    load(connection, "ducklake", "postgres_scanner", *(["httpfs"] if address.data.startswith("s3:") else []))
    # Two commits at once are one conflict on the number of the next snapshot, which DuckLake tries again.
    connection.execute("set ducklake_max_retry_count = 1000")
    connection.execute(sql.text("lake/form"))
    gone_at = time.monotonic() + SERVER_RETURNS_WITHIN_SECONDS
    while not _attach(address, connection, creating=False):
        try:
            with turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever makes the lake"):
                _attach(address, connection, creating=True)
                _make_tables(connection)
        except duckdb.Error as error:
            _detach(connection)
            if time.monotonic() > gone_at:
                raise unreachable(address, error) from error
            time.sleep(0.3)
        else:
            break
    _bring_to_release(address, connection)


def _attach(address: LakeAddress, connection: duckdb.DuckDBPyConnection, *, creating: bool) -> bool:
    options = (
        f"metadata_schema {quoted(address.schema)}, data_path {quoted(address.parquet)},"
        f" create_if_not_exists {str(creating).lower()}, data_inlining_row_limit {INLINED_ROWS}"
    )
    try:
        connection.execute(f"attach {quoted('ducklake:postgres:' + libpq(address))} as lake ({options})")
        if creating or _lake_setting(connection, "generation") is not None:
            return True
    except duckdb.Error:
        if creating:
            raise
    _detach(connection)
    return False


def _detach(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("detach database if exists lake")


def _make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Only inside the turn of everything; another machine may have made them a moment ago."""
    with transaction(connection):
        connection.execute(sql.text("lake/tables"))
        connection.execute(sql.text("lake/offer_current"))
        if _lake_setting(connection, "generation") is None:
            write_lake_setting(connection, "generation", uuid.uuid4().hex)
            write_lake_setting(connection, "release", sql.files("migrations")[-1])


def _bring_to_release(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> None:
    """Columns that a newer release added to the ledger are added to the lake as well."""
    release, ours = _lake_setting(connection, "release"), sql.files("migrations")[-1]
    if release == ours:
        return
    if release is None or release > ours:
        raise MigrationError(
            f"the shared store has {release}, which this release does not know; upgrade gpuledger"
        )
    with (
        turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever upgrades the lake"),
        transaction(connection),
    ):
        for table in TABLES:
            there = columns(connection, "lake", table)
            for name, kind in columns(connection, "temp", f"form_{table}").items():
                if name not in there:
                    connection.execute(f"alter table lake.{table} add column {name} {kind}")
        write_lake_setting(connection, "release", ours)


def columns(connection: duckdb.DuckDBPyConnection, database: str, table: str) -> dict[str, str]:
    """Type by name, in order."""
    found: list[tuple[str, str]] = connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = $database and table_name = $table order by column_index",
        {"database": database, "table": table},
    ).fetchall()
    return dict(found)


def _lake_setting(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    row = connection.execute("select value from lake.ledger_setting where name = $1", [name]).fetchone()
    return row[0] if row else None


def write_lake_setting(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """Keep a value for all machines; only inside a turn of everything."""
    connection.execute("delete from lake.ledger_setting where name = $1", [name])
    connection.execute("insert into lake.ledger_setting values ($1, $2)", [name, value])


def maintain(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> int:
    """Gather what many small commits left: rows in the catalogue go into Parquet, small files into larger ones.
    Returns the number of files that took their place.

    Raises:
        StoreError: the catalogue does not answer.
    """
    join(address, connection)
    with turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever records into the lake"):
        try:
            connection.execute("call ducklake_flush_inlined_data('lake')")
            merged = connection.execute("call ducklake_merge_adjacent_files('lake')").fetchall()
            # Machines read the newest commit alone; a day is for readers that began before.
            connection.execute("call ducklake_expire_snapshots('lake', older_than => now() - interval 1 day)")
            connection.execute(
                "call ducklake_cleanup_old_files('lake', older_than => now() - interval 1 day)"
            )
            connection.execute(
                "call ducklake_delete_orphaned_files('lake', older_than => now() - interval 1 day)"
            )
        except duckdb.Error as error:
            raise unreachable(address, error) from error
    return len(merged)


def _take(home: Home, connection: duckdb.DuckDBPyConnection, aliases: Aliases) -> int:
    """Inside a transaction, so that all tables of the lake are seen as of one commit."""
    row = connection.execute("select id from lake.current_snapshot()").fetchone()
    newest = row[0] if row else 0
    generation = _lake_setting(connection, "generation") or ""
    known, since = setting(connection, "lake"), int(setting(connection, "lake_commit") or 0)
    if known is None and _count(connection, "scrape_run"):
        raise StoreError(
            f"{home.path} holds a ledger of its own: `gpuledger migrate-store` moves it into a shared store, and"
            " a machine that follows one needs a home of its own"
        )
    if known == generation and since == newest:
        return 0
    if known != generation:
        _forget(connection)
        since = 0
    _run(connection, "lake/new_run", {"since": since})
    runs = _count(connection, "new_run")
    if runs:
        _take_runs(connection, aliases, since)
    write_setting(connection, "lake", generation)
    write_setting(connection, "lake_commit", str(newest))
    return runs


def _take_runs(connection: duckdb.DuckDBPyConnection, aliases: Aliases, since: int) -> None:
    for name in sql.files("lake/catch_up"):
        _run(connection, name, {"since": since})
    for table in _BY_RUN_ALONE:
        connection.execute(
            f"insert into {table} by name select new_run.run_no, kept.* exclude (run_id) from lake.{table} as kept"
            " inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no"
            " where kept.snapshot_id > $since",
            {"since": since},
        )
    if _count(connection, "new_shape"):
        resolve_labels(connection, aliases)
    connection.execute(sql.text("lake/current"))


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    """The log was written anew, by a replay or a move: what follows it starts again."""
    for table in (*TABLES, *_DERIVED):
        connection.execute(f"delete from {table}")


def _run(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any]) -> None:
    (statement,) = connection.extract_statements(sql.text(name))
    named = statement.named_parameters
    connection.execute(statement, {key: parameters[key] for key in named})


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return row[0] if row else 0


def _append(connection: duckdb.DuckDBPyConnection, held: Turn, source: str, run_no: int) -> None:
    """One commit in the lake. Where it fails, or the turn was lost, the recording transaction fails with it; where
    the machine dies between the two commits, the next one to catch up finds the run in the lake."""
    row = connection.execute("select run_id from scrape_run where run_no = $1", [run_no]).fetchone()
    assert row is not None
    rows = {
        table: connection.execute(f"from form_{table} where run_id = $1", [row[0]]).to_arrow_table()
        for table in TABLES
        if table != "offer"
    }
    rows["offer"] = connection.execute(
        "select $run_id as run_id, * from (from form_offer where source = $source except from offer_before)",
        {"run_id": row[0], "source": source},
    ).to_arrow_table()
    with connection.cursor() as lake:
        try:
            with transaction(lake):
                for table in TABLES:
                    if rows[table].num_rows:
                        lake.register("appended", rows[table])
                        lake.execute(f"insert into lake.{table} by name from appended")
                        lake.unregister("appended")
                held.check()
        except duckdb.Error as error:
            raise StoreError(f"cannot append to the shared store: {error}") from error

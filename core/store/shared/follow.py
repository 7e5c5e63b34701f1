# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
"""A ledger that follows a lake (docs/decisions/0012).

Each machine keeps `ledger.duckdb` and its snapshots as ever. Whoever records a run holds the turn of its source,
catches up with the lake, records the run in the own database and, before that commits, appends the run's rows to
the lake. Numbers of runs, documents and offers are each machine's own; the lake names them by run, place and terms,
and `sql/lake/catch_up` numbers them again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import duckdb

from gpuledger.core.alias import Aliases
from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql
from gpuledger.core.store.catalogue import EVERYTHING, Turn, turn_at
from gpuledger.core.store.database import transaction
from gpuledger.core.store.home import Home
from gpuledger.core.store.identity import renew_arriving
from gpuledger.core.store.ledger_setting import setting, write_setting
from gpuledger.core.store.migrate import resolve_labels
from gpuledger.core.store.rollups import relist
from gpuledger.core.store.shared import lake
from gpuledger.core.store.shared.change_feed import ChangeFeed, change_feed

ShareRun = Callable[[int], None]
"""Appends the run of that number to the lake; called inside the transaction that records it."""

COMMITS_BETWEEN_NOTES = 50
"""A ledger that finds only runs of its own notes how far it looked no more often than this: to write costs a
checkpoint, to look at some commits again next to nothing."""

ROWS_AT_ONCE = 150_000
"""A machine that was away reads and takes so many rows at a time, each part in one transaction: some 300 MB of memory,
however long it was away. One run, however large, is never in two parts."""

_DERIVED = (
    "offer_current",
    "price_checkpoint",
    "gpu_price_day",
    "gpu_vote_day",
    "gpu_index_day",
    "price_end_day",
    "dated_price",
    "derived",
)
_TAKEN = ("new_document", "new_shape", "new_price", "new_stock", "observation")
"""What `sql/lake/catch_up` makes of what was staged."""

_BY_RUN_ALONE = (
    "skipped_row",
    "storage_price",
    "transfer_price",
    "interruption_band",
    "market_sample",
    "disputed_price",
    "disputed_rate",
)


@contextmanager
def recording(
    home: Home, connection: duckdb.DuckDBPyConnection, aliases: Aliases, source: str
) -> Generator[ShareRun | None]:
    """The turn to record runs of one source, caught up with the lake; `None` where the ledger is this home's own.

    Raises:
        StoreBusyError: another machine kept the turn.
        StoreError: the catalogue does not answer.
    """
    address = home.follows
    if address is None:
        yield None
        return
    whose = f"another recorder of {source}"
    with turn_at(address, f"record/{source}", wait_seconds=60, whose=whose, shared=EVERYTHING) as held:
        catch_up(home, connection, aliases)
        connection.execute(
            "create or replace temp table offer_before as from form_offer where source = $source",
            {"source": source},
        )
        yield lambda run_no: _append(address, connection, held, source, run_no)


def catch_up(
    home: Home, connection: duckdb.DuckDBPyConnection, aliases: Aliases, rows_at_once: int = ROWS_AT_ONCE
) -> int:
    """Take what was appended to the lake since the last time; returns the number of runs.

    Args:
        rows_at_once: of whole runs, in one transaction. What was taken stays when the machine dies before the end.

    Raises:
        StoreError: the home holds a ledger of its own, or the catalogue does not answer.
        MigrationError: the lake is of a newer release.
    """
    seen_lake = setting(connection, "lake")
    if home.follows is None:
        if seen_lake is not None and home.is_ledger:
            raise StoreError(
                f"{home.path} follows a shared store: set GPULEDGER_STORE to it, or use another home"
            )
        return 0
    if seen_lake is None and _count(connection, "scrape_run"):
        raise StoreError(
            f"{home.path} holds a ledger of its own: `gpuledger migrate-store` moves it into a shared store, and"
            " a machine that follows one needs a home of its own"
        )
    connection.execute(sql.text("lake/form"))
    since = int(setting(connection, "lake_commit") or 0)
    with lake.open_lake(home.follows, connection) as there, transaction(there):
        home.note_store(lake.store_id(there) or "")
        newest, generation = lake.commit_no(there), lake.generation(there)
        if (seen_lake, since) == (generation, newest):
            return 0
        if seen_lake != generation:
            _forget(connection, generation)
            since = 0
        news = change_feed(home.follows, there, since)
        parts = _number_runs(news, connection, rows_at_once)
        for part_no in parts[:-1]:
            _stage(news, connection, part_no)
            with transaction(connection):
                _take(connection, aliases)
            _let_go(connection)
        if parts:
            _stage(news, connection, parts[-1])
    if not parts and seen_lake == generation and newest - since < COMMITS_BETWEEN_NOTES:
        return 0
    with transaction(connection):
        if parts:
            _take(connection, aliases)
        write_setting(connection, "lake_commit", str(newest))
    if not parts:
        return 0
    _let_go(connection)
    return _count(connection, "new_run")


def follow(connection: duckdb.DuckDBPyConnection, written: tuple[str, int]) -> None:
    """From now on this database follows the lake that it was written into.

    Args:
        written: generation and commit, as `shared.move.fill` gives them: later commits are not known yet.
    """
    generation, commit = written
    with transaction(connection):
        write_setting(connection, "lake", generation)
        write_setting(connection, "lake_commit", str(commit))


def leave(connection: duckdb.DuckDBPyConnection) -> None:
    """From now on this database is a ledger of its own."""
    connection.execute("delete from ledger_setting where name in ('lake', 'lake_commit')")


def _forget(connection: duckdb.DuckDBPyConnection, generation: str) -> None:
    """The lake was written anew, by a replay, or is seen for the first time: what follows it starts at its begin."""
    with transaction(connection):
        for table in (*lake.TABLES, *_DERIVED):
            connection.execute(f"delete from {table}")
        write_setting(connection, "lake", generation)
        write_setting(connection, "lake_commit", "0")


def _number_runs(news: ChangeFeed, connection: duckdb.DuckDBPyConnection, rows_at_once: int) -> list[int]:
    """Give the runs that are new their numbers here, and share them out into parts; returns the parts in order."""
    arriving = news.runs()
    # one run, as in a steady hour, is one part whatever its size
    size = news.run_sizes() if arriving.num_rows > 1 else news.no_sizes()
    with sql.registered(connection, arriving=arriving, run_size=size):
        connection.execute(sql.text("lake/new_run"), {"rows_at_once": rows_at_once})
    return [
        part_no
        for (part_no,) in connection.execute("select distinct part_no from new_run order by all").fetchall()
    ]


def _stage(news: ChangeFeed, connection: duckdb.DuckDBPyConnection, part_no: int) -> None:
    """Bring the runs of a part into temporary tables, already by their numbers here. What other parts hold is not read
    for it."""
    runs = sql.arrow(
        connection,
        "select run_id, commit_no, run_no from new_run where part_no = $part_no",
        {"part_no": part_no},
    )
    for table in lake.TABLES:
        with news.rows_of_runs(table, runs) as rows, sql.registered(connection, arriving=rows):
            connection.execute(f"create or replace temp table shared_{table} as from arriving")


def _let_go(connection: duckdb.DuckDBPyConnection) -> None:
    """Of the memory of what was staged, before more is staged."""
    for table in (*(f"shared_{table}" for table in lake.TABLES), *_TAKEN):
        connection.execute(f"drop table if exists temp.{table}")


def _take(connection: duckdb.DuckDBPyConnection, aliases: Aliases) -> None:
    """What was staged into the ledger; only inside a transaction."""
    renew_arriving(connection)
    # first, because which of two equal rows stands depends on what their lists cover
    connection.execute(
        "insert into price_list by name select * exclude (place) from shared_price_list order by place"
    )
    for name in sql.files("lake/catch_up"):
        connection.execute(sql.text(name))
    connection.execute(sql.text("record/archive_price_change"))
    for table in _BY_RUN_ALONE:
        connection.execute(
            f"insert into {table} by name select * exclude (place) from shared_{table} order by place"
        )
    if _count(connection, "new_shape") or _count(connection, "shared_disputed_price"):
        resolve_labels(connection, aliases)
    connection.execute(sql.text("lake/current"))
    if _count(connection, "shared_price_list"):
        relist(connection)


def _append(
    address: LakeAddress, connection: duckdb.DuckDBPyConnection, held: Turn, source: str, run_no: int
) -> None:
    """Where this fails, or the turn was lost, the recording transaction fails with it. Where the machine dies between
    the two commits, it finds the run in the lake when it next catches up."""
    row = sql.first(connection, "select run_id from scrape_run where run_no = $1", [run_no])
    assert row is not None
    rows = {
        table: sql.arrow(connection, f"from form_{table} where run_id = $1", [row[0]])
        for table in lake.TABLES
        if table != "offer"
    }
    rows["offer"] = sql.arrow(
        connection,
        "select $run_id::varchar as run_id, *"
        " from (from form_offer where source = $source except from offer_before)",
        {"run_id": row[0], "source": source},
    )
    with lake.open_lake(address, connection) as there:
        lake.append(there, rows, held.check)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = sql.first(connection, f"select count(*) from {table}")
    return row[0] if row else 0

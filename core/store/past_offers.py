"""What was on sale at past times, kept beside an open snapshot that several readers share: reading the log for all
60,000 offers of a day takes a third of a second of processor time, and a page asks for the same day again and again."""

from __future__ import annotations

import threading
from datetime import datetime

import duckdb

from gpuledger.core.store import sql

MOST_AT_ONCE, MOST_AT_REST = 8, 4
"""Days kept while somebody reads, some 25 MB each at 60,000 offers, and once nobody does."""

OWN_TABLE = "temp.main.offer_past"
"""Of one connection alone."""

_creation = threading.Lock()


def attach(connection: duckdb.DuckDBPyConnection) -> None:
    """Make room for past days; every cursor of the connection sees them."""
    connection.execute("attach if not exists ':memory:' as past (read_write)")
    connection.execute("create table if not exists past.main.day (name varchar, day_no bigint)")


def set_past(connection: duckdb.DuckDBPyConnection, *, as_of: datetime, gpu_ids: list[str] | None) -> str:
    """Set the variable `past_table` to the table of what was on sale at a time: one kept for all readers, or a
    temporary one of this connection, where accelerators are named or there is no room. Returns its name.

    Args:
        gpu_ids: accelerators that are asked about; no others are read then, unless all of them are there already.
    """
    name = _name(as_of)
    table = f"past.main.{name}" if _is_there(connection, name, as_of, gpu_ids) else OWN_TABLE
    key = f"{name} {'all' if gpu_ids is None else sorted(gpu_ids)}"
    if not table.startswith("past.") and not _is_last(connection, key):
        connection.execute("reset variable past_key")
        _create(connection, table, as_of, gpu_ids)
        connection.execute("set variable past_key = $key", {"key": key})
    connection.execute("set variable past_table = $table", {"table": table})
    return table


def _is_last(connection: duckdb.DuckDBPyConnection, key: str) -> bool:
    """Whether this connection's temporary table holds that already: a search asks many times about one day. Only of a
    database that nobody writes."""
    row = sql.first(
        connection,
        "select getvariable('past_key') = $key and readonly from duckdb_databases()"
        " where database_name = current_database()",
        {"key": key},
    )
    return bool(row and row[0])


def is_kept(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> bool:
    """Whether what was on sale at that time is there for all readers."""
    return _name(as_of) in (_days(connection) or [])


def _name(as_of: datetime) -> str:
    return f"offers_{int(as_of.timestamp() * 1_000_000)}"


def _is_there(
    connection: duckdb.DuckDBPyConnection, name: str, as_of: datetime, gpu_ids: list[str] | None
) -> bool:
    """Whether all offers of that time are there, read now if all are asked about."""
    present = _days(connection)
    if present is None or name in present:
        return present is not None
    if gpu_ids is not None:
        return False
    with _creation:
        present = _days(connection) or []
        if name in present or len(present) >= MOST_AT_ONCE:
            return name in present
        _create(connection, f"past.main.{name}", as_of, None)
        connection.execute(
            f"insert into past.main.day select '{name}', coalesce(max(day_no), 0) + 1 from past.main.day"
        )
        return True


def _create(
    connection: duckdb.DuckDBPyConnection, table: str, as_of: datetime, gpu_ids: list[str] | None
) -> None:
    connection.execute("set variable as_of = $as_of::timestamptz", {"as_of": as_of})
    connection.execute("set variable past_gpu_ids = $gpu_ids::varchar[]", {"gpu_ids": gpu_ids})
    kind = "temporary table" if table.startswith("temp.") else "table"
    connection.execute(f"create or replace {kind} {table} as {sql.text('queries/offer_past')}")
    connection.execute("set variable past_table = $table", {"table": table})
    # putting all the columns into order takes five times as long as numbering what is there
    connection.execute(
        f"update {table} as offer set place_no = place.place_no from ({sql.text('queries/offer_place')}) as place"
        " where offer.place_no = place.past_no"
    )


def _days(connection: duckdb.DuckDBPyConnection) -> list[str] | None:
    """Tables of past days, the oldest first; `None` where a snapshot has one reader alone and no room for them."""
    # asked and not tried: since 2.0 a statement that names what is not there aborts the transaction it is in
    if sql.first(connection, "select 1 from duckdb_databases() where database_name = 'past'") is None:
        return None
    rows = connection.execute("select name from past.main.day order by day_no").fetchall()
    return [name for (name,) in rows]


def rest(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the oldest days; to be called while nobody reads."""
    for name in (_days(connection) or [])[:-MOST_AT_REST]:
        connection.execute(f"delete from past.main.day where name = '{name}'")
        connection.execute(f"drop table past.main.{name}")

"""Values that a ledger keeps by name, such as the release of its reference data."""

from __future__ import annotations

import duckdb

from gpuledger.core.store import sql


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """A value that the ledger keeps by name."""
    row = sql.first(connection, "select value from ledger_setting where name = ?", [name])
    return row[0] if row else None


def write_setting(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """Keep a value by name; only inside a transaction."""
    connection.execute("delete from ledger_setting where name = ?", [name])
    connection.execute("insert into ledger_setting values (?, ?)", [name, value])


def forget_setting(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Keep no value by that name; only inside a transaction."""
    connection.execute("delete from ledger_setting where name = ?", [name])

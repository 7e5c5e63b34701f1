"""SQL of strangers on a snapshot: one statement, read-only, bounded in time, memory and rows."""

from __future__ import annotations

import threading
from typing import Any

import duckdb

from core.errors import UsageError

MAX_ROWS = 1_000_000
"""More do not fit a terminal or a page; `gpuledger export` writes everything."""

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.PRAGMA)


def run_query(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    *,
    timeout_seconds: float = 60.0,
    max_rows: int = MAX_ROWS,
) -> list[dict[str, Any]]:
    """The rows of one query; the connection must be a sandboxed one.

    Raises:
        UsageError: not one read-only statement, an error in it, too slow, or too many rows.
    """
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(f"sql: {_first_line(error)}") from None
    if len(statements) != 1:
        raise UsageError(f"sql: one statement expected, {len(statements)} seen")
    if statements[0].type not in _ALLOWED:
        raise UsageError(f"sql: only queries are allowed here, not {statements[0].type.name.lower()}")
    timer = threading.Timer(timeout_seconds, connection.interrupt)
    timer.start()
    try:
        cursor = connection.execute(statements[0])
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchmany(max_rows + 1)
    except duckdb.InterruptException:
        raise UsageError(f"sql: stopped after {timeout_seconds:g} s") from None
    except duckdb.Error as error:
        raise UsageError(f"sql: {_first_line(error)}") from None
    finally:
        timer.cancel()
    if len(rows) > max_rows:
        raise UsageError(f"sql: more than {max_rows} rows; add a limit")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]

"""SQL of strangers on a snapshot: one statement, read-only, bounded in time, memory and rows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Any

import duckdb

from core.errors import UsageError

MAX_ROWS = 1_000_000
"""More do not fit a terminal or a page; `gpuledger export` writes everything."""

# describe, show, summarize and the pragmas that only look are rewritten to selects by the parser
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


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
        names = _told_apart(column[0] for column in cursor.description or ())
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


def _told_apart(names: Iterable[str]) -> list[str]:
    """Two columns of one name keep both their values: the second `a` is `a_2`."""
    kept: dict[str, None] = {}
    for name in names:
        free = (f"{name}_{number}" for number in itertools.count(2))
        kept[name if name not in kept else next(one for one in free if one not in kept)] = None
    return list(kept)


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]

"""The process in which one query of a stranger runs; started by `gpuledger.core.store.sandbox`, one for each query.

It takes the question as JSON on standard input and answers with one pickle of plain values on standard output.
The kernel bounds its memory and ends it when the time is up; nothing in it outlives the answer.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import re
import resource
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from gpuledger.core.errors import GPULedgerError, UsageError
from gpuledger.core.store import sql
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading

ADDRESS_GIB = 4
"""Of address space: 1 GB for DuckDB (`gpuledger.core.store.publish`), the rest for the rows and for what DuckDB's limit
does not count, such as one long text."""

# describe, show and summarize are rewritten to selects by the parser
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
# Pragmas that only look. DuckDB 1.5 rewrites them to selects too, 2.0 leaves them pragmas.
_LOOKING = frozenset(
    {
        "collations",
        "database_list",
        "database_size",
        "functions",
        "metadata_info",
        "platform",
        "show_databases",
        "show_tables",
        "show_tables_expanded",
        "storage_info",
        "table_info",
        "user_agent",
        "version",
    }
)
_PRAGMA = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*pragma\s+(\w+)\s*(?!=)", re.IGNORECASE | re.DOTALL)


def main() -> None:
    """Answer the one question on standard input."""
    request = json.load(sys.stdin)
    # Whatever else writes to standard output must not become part of the answer.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _bound(resource.RLIMIT_AS, ADDRESS_GIB << 30)
    _bound(resource.RLIMIT_CORE, 0)
    try:
        answer = pickled(_answered(**request))
        if len(answer) > request["max_mib"] << 20:
            raise UsageError(f"sql: an answer of more than {request['max_mib']} MiB; add a limit")
    except GPULedgerError as error:
        answer = pickle.dumps({"error": type(error).__name__, "message": str(error)})
    except MemoryError:
        answer = pickle.dumps({"error": UsageError.__name__, "message": "sql: Out of Memory Error"})
    signal.setitimer(signal.ITIMER_REAL, 0)
    out.write(answer)
    out.flush()
    # Closing a database of a gigabyte takes time that nobody waits for.
    os._exit(0)


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    # Some systems know no such bound; the time and DuckDB's own bound on memory hold there too.
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (most, hard) if hard == resource.RLIM_INFINITY else (min(most, hard), hard))


def _answered(
    *, home: str, text: str, timeout_seconds: float, max_rows: int, max_mib: int, threads: int
) -> dict[str, Any]:
    with reading(Home(Path(home)), sandbox_threads=threads) as connection:
        # Nothing handles this signal: the kernel ends the process, whatever a thread of it is doing.
        signal.setitimer(signal.ITIMER_REAL, timeout_seconds)
        return queried(connection, text, max_rows)


def pickled(answer: dict[str, Any]) -> bytes:
    """The answer as plain values. DuckDB 2.0 puts a `ZoneInfo` on an instant, which pickles as a call of `getattr`;
    it is always UTC here."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol=5)
    pickler.dispatch_table = {ZoneInfo: lambda _: (timezone, (timedelta(0),))}
    pickler.dump(answer)
    return out.getvalue()


def queried(connection: duckdb.DuckDBPyConnection, text: str, max_rows: int) -> dict[str, Any]:
    """The names and rows of one query; the connection must be one of the sandbox.

    Raises:
        UsageError: not one read-only statement, an error in it, or too many rows.
    """
    try:
        statements = connection.extract_statements(text)
        if len(statements) != 1:
            raise UsageError(f"sql: one statement expected, {len(statements)} seen")
        if statements[0].type not in _ALLOWED and not _only_looks(statements[0]):
            raise UsageError(f"sql: only queries are allowed here, not {statements[0].type.name.lower()}")
        names, rows = sql.some_named(connection, statements[0], most=max_rows + 1)
    except (duckdb.Error, OverflowError, ValueError) as error:
        raise UsageError(f"sql: {str(error).partition(chr(10))[0]}") from None
    if len(rows) > max_rows:
        raise UsageError(f"sql: more than {max_rows} rows; add a limit")
    return {"names": _told_apart(names), "rows": rows}


def _only_looks(statement: duckdb.Statement) -> bool:
    pragma = _PRAGMA.match(statement.query) if statement.type is duckdb.StatementType.PRAGMA else None
    return pragma is not None and pragma[1].lower() in _LOOKING


def _told_apart(names: Iterable[str]) -> list[str]:
    """Two columns of one name keep both their values: the second `a` is `a_2`."""
    distinct: dict[str, None] = {}
    for name in names:
        free = (f"{name}_{number}" for number in itertools.count(2))
        distinct[name if name not in distinct else next(one for one in free if one not in distinct)] = None
    return list(distinct)

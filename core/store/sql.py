# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
"""Find the text of `sql/`, run it with named parameters, and read what it answers to the end.

Since 2.0 DuckDB holds on to a result until its last row was read, and refuses to let go of the tables that it reads
from meanwhile. So nothing else in this project calls `fetchone` or `fetchmany`, asks a cursor for Arrow, or lends a
table to a connection (`register`).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.errors import StoreError

FOLDER = Path(__file__).resolve().parents[2] / "sql"
"""Beside `core/` in a checkout and in a wheel alike. Never `import sql`: strangers install a package of that
name."""


def say_that_pandas_is_missing() -> None:
    """DuckDB (1.5.5) tries to import pandas for every value of a list that it is given. Where there is none, each
    try searches all folders again: 0.45 ms of processor time a value, a fifth of what recording a small run takes. So a
    process of our own notes once that there is none; a program that only uses us may still install it."""
    if "pandas" not in sys.modules and find_spec("pandas") is None:
        import pyarrow

        # pyarrow (26.0.1) looks once, at its first value, and takes such a note for a module
        pyarrow.scalar(0)
        sys.modules["pandas"] = None  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=256)
def text(name: str) -> str:
    """The text of `sql/<name>.sql`, such as `queries/offers`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def files(kind: str) -> list[str]:
    """Names of a folder of `sql/` for `text`, in the order of their numbers.

    Raises:
        StoreError: none there, so the installation is broken.
    """
    names = [f"{kind}/{path.stem}" for path in sorted((FOLDER / kind).glob("*.sql"))]
    if not names:
        raise StoreError(f"no SQL of kind {kind!r} in {FOLDER}: the installation is incomplete")
    return names


@cache
def relations() -> str:
    """A checksum of what this release's queries read from: the tables and views that it makes, and the DuckDB that
    they are made with. A file keeps its views as that DuckDB parsed them, and 1.5 has no function `if`, which 2.0
    writes there; so views of another minor version have to be made anew.

    Of `zlib`: every command computes it, and loading `hashlib` takes longer than all of it.
    """
    checksum = zlib.crc32(minor_version(duckdb.__version__).encode())
    for name in (*files("migrations"), *files("views"), *files("publish")):
        checksum = zlib.crc32(f"{name}\0{text(name)}\0".encode(), checksum)
    return f"{checksum:08x}"


def minor_version(version: str) -> str:
    """`1.5` of `1.5.5`: DuckDB files are the same within a minor version."""
    return ".".join(version.split(".")[:2])


def first_line(error: duckdb.Error) -> str:
    """What an error of DuckDB says, without the picture of the statement below it."""
    return str(error).strip().partition("\n")[0]


def literal(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def explaining(doing: str) -> Generator[None]:
    """Turns what DuckDB raises inside into one line; every door to a database stands in one.

    Raises:
        StoreError: DuckDB refused.
    """
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(f"cannot {doing}: {first_line(error)}") from error


def rows(
    connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of one query as dictionaries by column."""
    cursor = connection.execute(text(name), dict(parameters or {}))
    columns = [column[0] for column in cursor.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


SqlParameters = Mapping[str, Any] | Sequence[Any]


def first(
    connection: duckdb.DuckDBPyConnection,
    statement: str | duckdb.Statement,
    parameters: SqlParameters | None = None,
) -> tuple[Any, ...] | None:
    """The first row of a statement of a few rows, or None where it has none."""
    rows_of_answer = connection.execute(statement, parameters).fetchall()
    return rows_of_answer[0] if rows_of_answer else None


def some(
    connection: duckdb.DuckDBPyConnection,
    statement: str | duckdb.Statement,
    parameters: SqlParameters | None = None,
    *,
    most: int,
) -> list[tuple[Any, ...]]:
    """Up to so many rows of a statement that may have very many; the others are not read."""
    return some_named(connection, statement, parameters, most=most)[1]


def some_named(
    connection: duckdb.DuckDBPyConnection,
    statement: str | duckdb.Statement,
    parameters: SqlParameters | None = None,
    *,
    most: int,
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of a statement's columns, and up to so many of its rows."""
    cursor = connection.execute(statement, parameters)
    names = [column[0] for column in cursor.description or ()]
    rows_of_answer = cursor.fetchmany(most)
    # Whatever is executed next takes the place of the unfinished result, in every version of DuckDB.
    connection.execute("select 1").fetchall()
    return names, rows_of_answer


# Arrow from `execute` is a copy with a warning since 2.0, and `sql` with parameters takes fifty times as long before it
# (300,000 rows: 14 and 1,200 ms in 1.5.5, 18 and 11 ms in 2.0.1).
_HAS_ARROW_OF_RELATIONS = int(duckdb.__version__.split(".")[0]) >= 2
# DuckDB reserves room for a whole batch before the first row comes, 8 MB a column for its usual million, and a table
# that is kept keeps it: a replay of some hundred runs came to 24 GB of addresses, where a process can no longer fork.
ROWS_OF_A_BATCH = 16_384


def arrow(connection: duckdb.DuckDBPyConnection, query: str, parameters: SqlParameters | None = None) -> Any:
    """The rows of one query as an Arrow table."""
    if _HAS_ARROW_OF_RELATIONS:
        return connection.sql(query, params=parameters).to_arrow_table(ROWS_OF_A_BATCH)
    return connection.execute(query, parameters).to_arrow_table(ROWS_OF_A_BATCH)


def arrow_named(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any]) -> Any:
    """The rows of `sql/<name>.sql` as an Arrow table, with those of the parameters that it names."""
    return arrow(connection, text(name), {key: parameters[key] for key in _names(connection, name)})


def run_named(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any]) -> int:
    """Run the one statement of `sql/<name>.sql` with those of the parameters that it names; returns the count of rows
    that it reports, or 0."""
    row = first(connection, text(name), {key: parameters[key] for key in _names(connection, name)})
    return row[0] if row and isinstance(row[0], int) else 0


_NAMES: dict[str, tuple[str, ...]] = {}
"""The parameters that the one statement of `sql/<name>.sql` names; to look for them means parsing it once more."""


def _names(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[str, ...]:
    if name not in _NAMES:
        (statement,) = connection.extract_statements(text(name))
        _NAMES[name] = tuple(statement.named_parameters)
    return _NAMES[name]


def arrow_batches(connection: duckdb.DuckDBPyConnection, query: str, *, rows_each: int = 100_000) -> Any:
    """The rows of one query as a stream of Arrow batches, so that no more than some are in memory; read it to its
    end. Without parameters: with them DuckDB computes all rows first."""
    return connection.sql(query).to_arrow_reader(rows_each)


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, **tables: Any) -> Generator[None]:
    """Lends Arrow tables to a connection by name.

    Since 2.0 an aborted transaction refuses to let go of them too, and a rollback does it for them: what was refused
    inside is what is raised.
    """
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):
            _let_go(connection, tables)
        raise
    _let_go(connection, tables)


def _let_go(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Any]) -> None:
    connection.execute("select 1").fetchall()  # in the place of a result that was not read to its end
    for name in tables:
        connection.unregister(name)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """What every connection to a ledger or a snapshot is set to."""
    connection.execute("set timezone = 'UTC'")
    # Offers are numbered densely: aggregates per offer go into an array instead of a hash table, 4 times
    # faster.
    connection.execute("set perfect_ht_threshold = 17")
    # DuckDB draws a bar into the output of `python -c` and of notebooks when a query takes two seconds. In a notebook
    # where it could not draw one, it refuses to be told so.
    with suppress(duckdb.InvalidInputException):
        connection.execute("set enable_progress_bar = false")


ONE_THREAD_BYTES = 32 << 20
"""Below this size of a ledger or a snapshot one thread works: two share out some dozens of rows, which takes a small
refresh a third more processor time and a question about the bundled history (12 MB) up to twice as much, and neither
ends sooner. What is known to be large takes all (`all_threads`)."""


@contextmanager
def all_threads(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Lets every processor work on what is large inside; a small ledger is written by one thread."""
    before = first(connection, "select current_setting('threads')")
    connection.execute("reset threads")
    try:
        yield
    finally:
        if before:
            connection.execute(f"set threads = {before[0]:d}")

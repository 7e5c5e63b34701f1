"""A snapshot that its caller keeps open and closes, for sessions of analysts."""

from __future__ import annotations

import duckdb

from core.errors import CorruptError
from core.store.database import Home
from core.store.publish import current


def held_snapshot(home: Home) -> duckdb.DuckDBPyConnection:
    """The newest snapshot, read-only, with its own file: later snapshots do not change it.

    Raises:
        EmptyLedgerError: nothing was published yet.
        CorruptError: the snapshot cannot be read.
    """
    path = current(home)
    try:
        connection = duckdb.connect(str(path), read_only=True)
        connection.execute("set timezone = 'UTC'")
    except duckdb.Error as error:
        raise CorruptError(f"cannot open the snapshot {path}: {error}") from error
    return connection

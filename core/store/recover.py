"""Bring a broken database back from the newest snapshot.

DuckDB 1.5.5 rewrites metadata blocks in place at a checkpoint. A process killed by SIGKILL in the middle of such
a write leaves a block half old and half new, whose checksum fails, and then the file cannot be opened at all
(docs/decisions/0009). A snapshot is a whole copy, made while no connection was open. Runs recorded after it are
in the archive and not in the copy, so that the next writer records them again, the same way.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import duckdb

from gpuledger.core.errors import StoreError
from gpuledger.core.files import copy_file, let_go

LOG = logging.getLogger("gpuledger")

SIGNS = (
    "Corrupt",
    "checksum",
    "not a valid DuckDB database file",
    "Failed to load metadata",
    "Could not read enough bytes",
    "INTERNAL Error",
)
"""What DuckDB says of a broken file; a lock, a full disk or a missing right is none of these."""


def is_broken(error: duckdb.Error) -> bool:
    """Whether the error says that the file itself is damaged."""
    damaged = (duckdb.SerializationException, duckdb.InternalException)
    return isinstance(error, damaged) or any(sign in str(error) for sign in SIGNS)


def _set_aside(database: Path) -> None:
    """Move a broken file out of the way, as evidence; its write-ahead log goes with it."""
    for path in (database, log_of(database)):
        if path.exists():
            path.replace(path.with_name(path.name + ".broken"))


def log_of(database: Path) -> Path:
    """The write-ahead log beside a database file."""
    return database.with_name(database.name + ".wal")


def restore(database: Path, snapshots: Path) -> bool:
    """Put a copy of the newest snapshot that can be opened in the place of a missing or broken database, which
    stays beside it as `.broken`. Without a snapshot nothing is touched. Returns whether there was one; only
    inside `gpuledger.core.store.database.turn`.

    Raises:
        StoreError: the disk refused.
    """
    for snapshot in sorted(snapshots.glob("prices-*.duckdb"), reverse=True):
        if not _opens(snapshot):
            continue
        temporary = database.with_name(f".{database.name}.restored")
        try:
            copy_file(snapshot, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            _set_aside(database)
            temporary.replace(database)
        except OSError as error:
            let_go(temporary)
            raise StoreError(f"cannot restore {database}: {error.strerror}") from error
        LOG.warning("%s was missing or broken: restored from %s", database, snapshot.name)
        return True
    return False


def _opens(snapshot: Path) -> bool:
    try:
        with duckdb.connect(str(snapshot), read_only=True) as connection:
            connection.execute("select count(*) from scrape_run")
    except duckdb.Error:
        return False
    return True

"""The ledger's files, and the only two ways to open its database: one writer at a time, and readers of a
published snapshot.

A DuckDB writer locks every other process out of its file, readers too. So the writer's file is private,
writers take turns on a lock file beside it, and readers only ever see numbered copies (`gpuledger.core.store.publish`).
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

import duckdb

from gpuledger.core.errors import StoreBusyError, StoreError, UnreachableError
from gpuledger.core.store import recover, sql
from gpuledger.core.store.catalogue import Turn, turn_at
from gpuledger.core.store.home import Home
from gpuledger.core.store.home import home_of as home_of

# Taking turns across processes by `flock`: the kernel gives a turn back when its holder dies, however it
# dies.


@contextmanager
def file_lock(path: Path, *, wait_seconds: float, whose: str) -> Generator[None]:
    """Hold the lock of that file; the file stays, empty.

    Args:
        whose: who else may hold it, for the message, such as "another writer".

    Raises:
        StoreBusyError: it was not given back within `wait_seconds`.
        StoreError: the file cannot be written.
    """
    deadline = time.monotonic() + wait_seconds
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreBusyError(f"{whose} has held {path} for {wait_seconds:g} s") from None
                time.sleep(0.02)
        yield


LOG = logging.getLogger("gpuledger")


@contextmanager
def turn(home: Home, *, wait_seconds: float = 60.0) -> Generator[None]:
    """Hold the writers' turn. Never open or copy the database file without it.

    Raises:
        StoreBusyError: another writer kept it for longer than `wait_seconds`.
        NotMountedError: the shared store's folders are not there.
    """
    home.create()
    home.check_store()
    with file_lock(home.lock, wait_seconds=wait_seconds, whose="another writer"):
        yield


@contextmanager
def turn_of_source(home: Home, source: str, *, wait_seconds: float = 60.0) -> Generator[Turn | None]:
    """Hold the turn to fetch one source, so that its runs follow each other: the order of their times is the
    order in which they are recorded, and in which a replay reads them. Where the catalogue of a shared store does not
    answer, the turn is this machine's alone, and it is `None`: what is fetched is recorded later.

    Raises:
        StoreBusyError: another refresh of it kept the turn for longer than `wait_seconds`.
        NotMountedError: the shared store's folders are not there.
    """
    home.create()
    home.check_store()
    whose = f"another refresh of {source}"
    with ExitStack() as stack:
        taken = None
        if home.lake is not None:
            try:
                taken = stack.enter_context(
                    turn_at(home.lake, f"fetch/{source}", wait_seconds=wait_seconds, whose=whose)
                )
            except UnreachableError as error:
                LOG.warning("%s; %s is fetched into the archive meanwhile", error, source)
        if taken is None:
            stack.enter_context(
                file_lock(home.path / "locks" / source, wait_seconds=wait_seconds, whose=whose)
            )
        yield taken


NEW_FILE: dict[str, str | bool | int | float | list[str]] = {
    # A year of 40 million changes takes 216 MB in blocks of 64 KiB and 259 MB in the default of 256 KiB.
    "default_block_size": "65536",
    "storage_compatibility_version": "v1.5.0",
}
"""Of a database file that is made now; an existing one keeps what it has."""


@contextmanager
def writing(home: Home) -> Generator[duckdb.DuckDBPyConnection]:
    """The writer's database; only inside `turn`. Closed, and so checkpointed, on the way out. Where the file is
    missing or broken, the newest snapshot is put in its place first.

    Raises:
        StoreError: the file cannot be opened, or DuckDB or the disk refused what is done inside.
    """
    connection = _connected(home)
    try:
        sql.prepare(connection)
        yield connection
    except duckdb.Error as error:
        if recover.is_broken(error) and home.is_ledger:
            connection.close()
            recover.restore(home.database, home.snapshots)
        raise StoreError(f"cannot write {home.database}: {sql.first_line(error)}") from error
    finally:
        connection.close()


def _connected(home: Home) -> duckdb.DuckDBPyConnection:
    if home.is_ledger and not home.database.exists():
        recover.restore(home.database, home.snapshots)
    try:
        return _open(home.database)
    except duckdb.Error as error:
        if not (home.is_ledger and recover.is_broken(error)):
            raise StoreError(f"cannot open {home.database}: {_how_to_open(error)}") from error
        if not recover.restore(home.database, home.snapshots):
            raise StoreError(
                f"cannot open {home.database}, nor any snapshot; delete it, and `gpuledger replay` rebuilds it from"
                f" the archive: {sql.first_line(error)}"
            ) from error
    try:
        return _open(home.database)
    except duckdb.Error as error:
        raise StoreError(f"cannot open {home.database}, restored just now: {_how_to_open(error)}") from error


def _open(database: Path) -> duckdb.DuckDBPyConnection:
    is_small = not database.exists() or database.stat().st_size < sql.ONE_THREAD_BYTES
    return duckdb.connect(str(database), config={**NEW_FILE, "threads": 1} if is_small else NEW_FILE)


def _how_to_open(error: duckdb.Error) -> str:
    line = sql.first_line(error)
    if "newer version of DuckDB" not in line:
        return line
    return (
        f"this is DuckDB {duckdb.__version__}, and a newer one wrote it: install that, or move the file away and"
        " `gpuledger replay` rebuilds it from the archive"
    )


_JOINED: ContextVar[duckdb.DuckDBPyConnection | None] = ContextVar("joined", default=None)


@contextmanager
def joined(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """One transaction around many: those of this connection inside become parts of it. Where one fails, all do."""
    with transaction(connection):
        token = _JOINED.set(connection)
        try:
            yield
        finally:
            _JOINED.reset(token)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """All or nothing."""
    if _JOINED.get() is connection:
        yield
        return
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()

"""The ledger's files, and the only two ways to open its database: one writer at a time, and readers of a
published snapshot.

A DuckDB writer locks every other process out of its file, readers too. So the writer's file is private,
writers take turns on a lock file beside it, and readers only ever see numbered copies (`gpuledger.core.store.publish`).
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import duckdb

from gpuledger.core.config import LakeAddress, Settings, lake_address
from gpuledger.core.errors import StoreError, UnreachableError
from gpuledger.core.store import recover, sql
from gpuledger.core.store.catalogue import Turn, turn_at
from gpuledger.core.store.lock import held
from gpuledger.core.store.shared import marker

LOG = logging.getLogger("gpuledger")
LEDGER = "ledger.duckdb"


@dataclass(frozen=True)
class Home:
    """Where one ledger lives."""

    path: Path
    database_name: str = LEDGER
    lake: LakeAddress | None = None
    """The shared log that this ledger follows, if it is not the home's own."""

    @property
    def database(self) -> Path:
        return self.path / self.database_name

    @property
    def archive(self) -> Path:
        return self.lake.archive if self.lake else self.path / "archive"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def lock(self) -> Path:
        return self.path / "writer.lock"

    @property
    def is_ledger(self) -> bool:
        """Whether this is the ledger itself, of which there are snapshots, and not one that a replay builds."""
        return self.database_name == LEDGER

    @property
    def follows(self) -> LakeAddress | None:
        """The shared log that this database is kept up with; a replay builds its own from the archive alone."""
        return self.lake if self.is_ledger else None

    def remove_database(self) -> None:
        """Delete the writer's file and its write-ahead log."""
        self.database.unlink(missing_ok=True)
        self.remove_log()

    def remove_log(self) -> None:
        """Delete the write-ahead log that a killed writer left, because its file goes too."""
        recover.log_of(self.database).unlink(missing_ok=True)

    @property
    def store_note(self) -> Path:
        """Says which shared store this home follows, since its first opening."""
        return self.path / "store-id"

    def store_id(self) -> str | None:
        """Id of the shared store that this home was opened with before."""
        if self.lake is None:
            return None
        try:
            place, _, found = self.store_note.read_text(encoding="utf-8").strip().rpartition(" ")
        except OSError:
            return None
        return found if place == _place(self.lake) else None

    def note_store(self, store_id: str) -> None:
        """Remember the shared store: from now on its folders are looked for before every turn.

        Raises:
            StoreError: the disk refused.
        """
        if self.lake is None or self.store_id() == store_id:
            return
        try:
            self.store_note.write_text(f"{_place(self.lake)} {store_id}\n", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot write {self.store_note}: {error.strerror}") from error

    def check_store(self) -> None:
        """Make sure that the folders of the shared store are there, where this home knows it already.

        Raises:
            NotMountedError: they are not.
        """
        store_id = self.store_id()
        if self.lake is not None and store_id is not None:
            marker.check(self.lake, store_id)

    def create(self) -> None:
        """Make the folders of this machine, readable by their owner alone. Those that machines share are made once, by
        whoever makes the shared store.

        Raises:
            StoreError: they cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.snapshots.mkdir(exist_ok=True)
            if self.lake is None:
                self.archive.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot use {self.path} as the ledger's home: {error.strerror}") from error


def _place(lake: LakeAddress) -> str:
    return f"{lake.host}:{lake.port}/{lake.database}/{lake.schema}"


def home_of(settings: Settings) -> Home:
    """The home that the settings name."""
    return Home(settings.home, lake=lake_address(settings.store))


@contextmanager
def turn(home: Home, *, wait_seconds: float = 60.0) -> Generator[None]:
    """Hold the writers' turn. Never open or copy the database file without it.

    Raises:
        StoreBusyError: another writer kept it for longer than `wait_seconds`.
        NotMountedError: the shared store's folders are not there.
    """
    home.create()
    home.check_store()
    with held(home.lock, wait_seconds=wait_seconds, whose="another writer"):
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
            stack.enter_context(held(home.path / "locks" / source, wait_seconds=wait_seconds, whose=whose))
        yield taken


NEW_FILE: dict[str, str | bool | int | float | list[str]] = {
    # A year of 40 million changes takes 216 MB in blocks of 64 KiB and 259 MB in the default of 256 KiB.
    "default_block_size": "65536",
    "storage_compatibility_version": "v1.5.0",
}
"""Of a database file that is made now; an existing one keeps what it has."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """What every connection to a ledger or a snapshot is set to."""
    connection.execute("set timezone = 'UTC'")
    # Offers are numbered densely: aggregates per offer go into an array instead of a hash table, 4 times
    # faster.
    connection.execute("set perfect_ht_threshold = 17")


@contextmanager
def writing(home: Home) -> Generator[duckdb.DuckDBPyConnection]:
    """The writer's database; only inside `turn`. Closed, and so checkpointed, on the way out. Where the file is
    missing or broken, the newest snapshot is put in its place first.

    Raises:
        StoreError: the file cannot be opened, or DuckDB or the disk refused what is done inside.
    """
    connection = _connected(home)
    try:
        prepare(connection)
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
        return duckdb.connect(str(home.database), config=NEW_FILE)
    except duckdb.Error as error:
        if not (home.is_ledger and recover.is_broken(error)):
            raise StoreError(f"cannot open {home.database}: {_how_to_open(error)}") from error
        if not recover.restore(home.database, home.snapshots):
            raise StoreError(
                f"cannot open {home.database}, nor any snapshot; delete it, and `gpuledger replay` rebuilds it from"
                f" the archive: {sql.first_line(error)}"
            ) from error
    try:
        return duckdb.connect(str(home.database), config=NEW_FILE)
    except duckdb.Error as error:
        raise StoreError(f"cannot open {home.database}, restored just now: {_how_to_open(error)}") from error


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

"""Copy the ledger to a numbered read-only snapshot and point readers at it.

Numbers, not one replaced file: a process that still holds an old file open would get the old database from a
second connection to the same path. The pointer is a small file, replaced atomically.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb

from gpuledger.core.errors import CorruptError, EmptyLedgerError, OutdatedError, StoreError
from gpuledger.core.files import copy_file, let_go
from gpuledger.core.provider_name import MANAGED_TIERS
from gpuledger.core.store import sql
from gpuledger.core.store.check_source import CHECK_SOURCES
from gpuledger.core.store.home import Home

POINTER = "CURRENT"
SNAPSHOTS_ON_DISK = 5
"""Snapshots that stay for readers which resolved the pointer a moment ago."""


def publish(home: Home, *, now: datetime) -> int:
    """Make the next snapshot; only inside `gpuledger.core.store.database.turn`. Returns its number.

    Raises:
        StoreError: a check found the ledger wrong, or the disk refused.
    """
    # readers, who open snapshots, need not load what makes them
    from gpuledger.core.store.database import writing

    with writing(home) as connection:
        number = complete(home, connection, now=now)
    return hand_out(home, number)


def complete(home: Home, connection: duckdb.DuckDBPyConnection, *, now: datetime) -> int:
    """Check the writer's database and write into it what readers read: the next snapshot, but for the copying, which
    `hand_out` does once this connection is closed. Returns the snapshot's number.

    Raises:
        StoreError: a check found the ledger wrong.
    """
    while (number := complete_step(home, connection, now=now)) is None:
        pass
    return number


def complete_step(home: Home, connection: duckdb.DuckDBPyConnection, *, now: datetime) -> int | None:
    """Take one step of `complete`, of which there are several where the days of a long history are to be derived.
    Each is committed, so that whoever is stopped goes on after it, and others may have the writers' turn between two.
    Returns the snapshot's number with the last.

    Raises:
        StoreError: a check found the ledger wrong.
    """
    from gpuledger.core.store.database import joined
    from gpuledger.core.store.rollups import check_rollups, derive_step, is_under_way

    number = _newest(home) + 1
    goes_on = is_under_way(connection)
    if not goes_on:
        check_rollups(connection)
    with joined(connection):
        if not goes_on:
            # what is derived asks which offers are one thing
            describe_offers(connection)
        if not derive_step(connection, now=now):
            return None
        write_on_sale(connection, now=now)
        connection.execute("delete from snapshot")
        connection.execute(sql.text("publish/30_snapshot"), {"number": number, "published_at": now})
    connection.execute("force checkpoint")
    return number


LET_OTHERS_SECONDS = 0.2
"""Between two turns, ten times as long as a writer that waits for its own looks away."""


def publish_rest(home: Home, clock: Callable[[], datetime]) -> int:
    """Take the steps that `complete_step` left, each in a turn of its own, and make the snapshot; not inside
    `gpuledger.core.store.database.turn`. Returns its number.

    Raises:
        StoreError: a check found the ledger wrong, or the disk refused.
    """
    from gpuledger.core.store.database import turn, writing

    while True:
        time.sleep(LET_OTHERS_SECONDS)
        with turn(home, wait_seconds=600):
            with writing(home) as connection:
                number = complete_step(home, connection, now=clock())
            if number is not None:
                return hand_out(home, number)


def write_latest(connection: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> None:
    """Write down what each offer is and what is on sale, see `write_on_sale`."""
    describe_offers(connection)
    write_on_sale(connection, now=now)


def write_on_sale(connection: duckdb.DuckDBPyConnection, *, now: datetime | None) -> None:
    """Write down what is on sale; after `describe_offers`.

    Args:
        now: nothing that is dated later is on sale yet; `None`: as far as the logs go.
    """
    from gpuledger.core.store.database import transaction

    # a question about a time costs more, and hardly ever is anything dated ahead
    ahead = now and sql.first(connection, sql.text("publish/15_ahead"), {"now": now})
    with transaction(connection):
        connection.execute("delete from offer_last_seen")
        connection.execute(sql.text("publish/20_offer_last_seen"), {"as_of": ahead[0] if ahead else None})


def describe_offers(connection: duckdb.DuckDBPyConnection) -> None:
    """Write down what each offer is and which are one thing by several names, which questions about the past read as
    well. Days that were derived while known offers were told apart otherwise are to be derived anew.

    The tables are emptied and not made anew, so that the comments on their columns stay.
    """
    from gpuledger.core.store.database import transaction

    with transaction(connection):
        connection.execute("create or replace temporary table renamed_before as from renamed_offer")
        connection.execute("delete from renamed_offer")
        connection.execute(sql.text("publish/05_renamed_offer"))
        if connection.execute(sql.text("derive/renamed_otherwise")).fetchall():
            connection.execute("delete from derived")
        connection.execute("drop table renamed_before")
        connection.execute("delete from offer_described")
        columns = zip(*((*key, source) for key, source in CHECK_SOURCES.items()), strict=True)
        providers, options, sources = map(",".join, columns)
        connection.execute(
            sql.text("publish/10_offer_described"),
            {
                "reader_providers": providers,
                "reader_options": options,
                "reader_sources": sources,
                "managed_tiers": sorted(MANAGED_TIERS),
            },
        )


def hand_out(home: Home, number: int) -> int:
    """Copy the writer's database to that snapshot and point readers at it; the connection is closed: only then may
    the file be opened again, or its lock would be lost. Returns the number.

    Raises:
        StoreError: the disk refused.
    """
    target = _path(home, number)
    temporary = target.with_suffix(".new")
    try:
        copy_file(home.database, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        _point(home, target.name)
    except OSError as error:
        let_go(temporary)
        raise StoreError(f"cannot publish {target}: {error.strerror}") from error
    prune(home)
    return number


_STATE = (
    "select (select count(*) from scrape_run), (select value from ledger_setting where name = 'reference')"
)


def has_news(home: Home, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the ledger has runs or reference data that readers have not seen.

    Args:
        connection: of the writer's database.
    """
    state = sql.first(connection, _STATE)
    with suppress(EmptyLedgerError, OutdatedError, CorruptError), reading(home) as published:
        return sql.first(published, _STATE) != state
    return True


@contextmanager
def reading(home: Home, *, sandbox_threads: int | None = None) -> Generator[duckdb.DuckDBPyConnection]:
    """The newest snapshot, read-only.

    Args:
        sandbox_threads: for SQL of others, which may use so many: no files, no extensions, no settings,
            bounded memory.

    Raises:
        EmptyLedgerError: nothing was published yet.
        OutdatedError: it was made by another release.
        CorruptError: the pointer or the snapshot cannot be read.
    """
    connection = open_snapshot(home, sandbox_threads)
    try:
        with sql.explaining(f"read the snapshot in {home.snapshots}"):
            yield connection
    finally:
        connection.close()


def current(home: Home) -> Path:
    """Path of the newest snapshot.

    Raises:
        EmptyLedgerError: nothing was published yet.
        CorruptError: the pointer does not name a snapshot.
    """
    try:
        name = (home.snapshots / POINTER).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise EmptyLedgerError(f"nothing published in {home.path}; run `gpuledger refresh` first") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptError(f"cannot read {home.snapshots / POINTER}: {error}") from error
    if not (name.startswith("prices-") and name.endswith(".duckdb") and "/" not in name):
        raise CorruptError(f"{home.snapshots / POINTER} names {name[:60]!r}, which is no snapshot")
    return home.snapshots / name


def number_in_use(home: Home) -> int:
    """Number of the newest snapshot.

    Raises:
        EmptyLedgerError: nothing was published yet.
        CorruptError: the pointer does not name a snapshot.
    """
    return int(current(home).stem.removeprefix("prices-"))


def is_published(home: Home) -> bool:
    """Whether readers have a snapshot."""
    try:
        return current(home).exists()
    except EmptyLedgerError:
        return False


_Config = dict[str, str | bool | int | float | list[str]]

_READ_ONLY: _Config = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_SANDBOX: _Config = {
    **_READ_ONLY,
    "enable_external_access": False,
    "memory_limit": "1GB",
    "max_temp_directory_size": "0KB",
    # a query that is ended leaves files in one
    "temp_directory": "",
}


def reader_config(path: Path) -> _Config:
    """How a reader opens a snapshot. DuckDB refuses one file under two configurations in one process, so every reader
    of it asks here; that it is not there, DuckDB says when it opens it."""
    is_small = path.exists() and path.stat().st_size < sql.ONE_THREAD_BYTES
    return {**_READ_ONLY, "threads": 1} if is_small else _READ_ONLY


def open_snapshot(home: Home, sandbox_threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """The connection of `reading`, for those who keep it and close it themselves: later snapshots do not
    change it. DuckDB refuses one file under two configurations in one process, so all are opened here."""
    for attempt in range(3):
        path = current(home)
        try:
            config = (
                reader_config(path) if sandbox_threads is None else {**_SANDBOX, "threads": sandbox_threads}
            )
            connection = duckdb.connect(str(path), read_only=True, config=config)
        except duckdb.Error as error:
            # Between pointer and open the snapshot may have been pruned; then the pointer has moved on.
            if path.exists() or attempt == 2:
                raise CorruptError(f"cannot open the snapshot {path}: {sql.first_line(error)}") from error
            continue
        check_release(connection, path)
        sql.prepare(connection)
        if sandbox_threads is not None:
            connection.execute("set lock_configuration = true")
        return connection
    raise CorruptError(f"the snapshots in {home.snapshots} keep vanishing")


def check_release(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Close a snapshot that has other relations than this release's queries read from.

    Raises:
        OutdatedError: it has.
    """
    settings = "select name, value from ledger_setting where name in ('relations', 'duckdb')"
    try:
        made_with: dict[str, str] = dict(connection.execute(settings).fetchall())
    except duckdb.Error as error:
        connection.close()
        raise CorruptError(f"{path} is no snapshot of a ledger: {sql.first_line(error)}") from error
    if made_with.get("relations") == sql.relations():
        return
    connection.close()
    theirs = made_with.get("duckdb", duckdb.__version__)
    by = "another release"
    if sql.minor_version(theirs) != sql.minor_version(duckdb.__version__):
        by = f"DuckDB {theirs} and this is {duckdb.__version__}"
    raise OutdatedError(f"{path} was made by {by}; `gpuledger publish` makes it anew")


def _path(home: Home, number: int) -> Path:
    return home.snapshots / f"prices-{number:06d}.duckdb"


def _numbers(home: Home) -> list[int]:
    return sorted(
        int(path.stem.removeprefix("prices-"))
        for path in home.snapshots.glob("prices-*.duckdb")
        if path.stem.removeprefix("prices-").isdigit()
    )


def _newest(home: Home) -> int:
    return max(_numbers(home), default=0)


def _point(home: Home, name: str) -> None:
    temporary = home.snapshots / f".{POINTER}.new"
    with temporary.open("w", encoding="ascii") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(home.snapshots / POINTER)


def prune(home: Home, keep: int | None = None) -> int:
    """Delete all but the newest snapshots and what a killed writer left of one; only inside
    `gpuledger.core.store.database.turn`. Returns how many went."""
    old = _numbers(home)[: -(keep or SNAPSHOTS_ON_DISK)]
    went = [let_go(_path(home, number)) for number in old]
    for left_over in home.snapshots.glob("prices-*.new*"):
        let_go(left_over)
    return sum(went)

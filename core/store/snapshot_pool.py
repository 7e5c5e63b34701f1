"""Snapshots for a process that answers many readers at once.

One connection per snapshot number, opened when the pointer moves and closed when its last reader is done, so
that an answer never mixes two snapshots. Every reader has a cursor of its own.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from gpuledger.core.errors import CorruptError, EmptyLedgerError, StoreError, UsageError
from gpuledger.core.store import past_offers, sql
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import POINTER, check_release, current, reader_config

SNAPSHOTS_OPEN = 3
"""Snapshots that stay open for readers who page through an older one."""

_ABOUT = """
select
    (select number from snapshot), (select published_at from snapshot),
    count(*), max(last_seen_at), coalesce(list(distinct fresh_until order by fresh_until), [])
from offer_latest
"""


@dataclass(frozen=True, slots=True)
class Edition:
    """What is known of a snapshot once it is open."""

    number: int
    published_at: datetime
    offers: int
    last_observed_at: datetime | None
    fresh_limits: tuple[datetime, ...]
    """The times at which prices of this snapshot stop being fresh, ascending."""

    def version(self, at: datetime) -> str:
        """Changes whenever an answer from this snapshot may: with its number, and when a price stops being
        fresh."""
        return f"{self.number:06d}.{bisect_left(self.fresh_limits, at)}"


def edition_of(connection: duckdb.DuckDBPyConnection) -> Edition:
    """What is known of the snapshot that a connection reads.

    Raises:
        CorruptError: it does not say which it is.
    """
    row = sql.first(connection, _ABOUT)
    if row is None or row[0] is None:
        raise CorruptError("the snapshot does not say which it is")
    seen_at = None if row[3] is None else row[3].astimezone(UTC)
    return Edition(row[0], row[1].astimezone(UTC), row[2], seen_at, tuple(row[4]))


@dataclass(frozen=True, slots=True)
class Served:
    """A snapshot as one reader sees it; the connection is that reader's alone."""

    edition: Edition
    connection: duckdb.DuckDBPyConnection
    cache: dict[str, Any]
    """Answers that hold for as long as the snapshot does, by query; all its readers share them."""


class _Open:
    """An open snapshot and how many read it."""

    def __init__(self, home: Home, name: str) -> None:
        self.path = home.snapshots / name
        self.readers = 0
        self.is_retired = False
        self.cache: dict[str, Any] = {}
        try:
            self.connection = duckdb.connect(str(self.path), read_only=True, config=reader_config(self.path))
            check_release(self.connection, self.path)
            sql.prepare(self.connection)
            # Global, because every cursor is a session of its own.
            self.connection.execute("set global timezone = 'UTC'")
            self.edition = edition_of(self.connection.cursor())
            past_offers.attach(self.connection)
            # many readers share the processors by questions; two threads take 1.1 to 1.8 times the processor time
            self.connection.execute("set threads = 1")
        except duckdb.Error as error:
            raise CorruptError(f"cannot open the snapshot {self.path}: {sql.first_line(error)}") from error


class SnapshotPool:
    """The snapshots of one home, shared by all threads of a process."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.problem: str | None = None
        """Why the newest snapshot could not be opened; the last good one is served meanwhile."""
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._open: dict[int, _Open] = {}
        self._newest: _Open | None = None
        self._pointer: tuple[int, int] | None = None

    def has_moved(self) -> bool:
        """Whether the pointer names another snapshot than the newest one open; one `stat`, no lock."""
        return self._newest is None or self._stamp() != self._pointer

    def newest(self) -> Edition:
        """The snapshot that the pointer names now, opened if need be.

        Raises:
            EmptyLedgerError: nothing was published yet.
            CorruptError: it cannot be read, and no earlier one is open.
        """
        if self.has_moved():
            with self._opening:
                if self.has_moved():
                    self._advance()
        assert self._newest is not None
        return self._newest.edition

    @contextmanager
    def reading(self, number: int | None = None) -> Generator[Served]:
        """A snapshot for one reader: the newest, or an earlier one by its number.

        Raises:
            EmptyLedgerError: nothing was published yet.
            CorruptError: it cannot be read.
            UsageError: no snapshot of that number is kept any more.
        """
        lease = self._lease(number)
        try:
            cursor = lease.connection.cursor()
            try:
                with sql.explaining(f"read the snapshot {lease.path}"):
                    yield Served(lease.edition, cursor, lease.cache)
            finally:
                cursor.close()
        finally:
            self._release(lease)

    def close(self) -> None:
        """Close every snapshot that nobody reads."""
        with self._lock:
            for opened in list(self._all()):
                opened.is_retired = True
                self._close_if_done(opened)
            self._newest, self._pointer = None, None

    def _stamp(self) -> tuple[int, int] | None:
        try:
            pointer = (self.home.snapshots / POINTER).stat()
        except OSError:
            return None
        return pointer.st_ino, pointer.st_mtime_ns

    def _advance(self) -> None:
        stamp = self._stamp()
        try:
            opened = self._newest_open()
        except StoreError as error:
            # A snapshot that was good a moment ago beats no answer; /healthz tells.
            if self._newest is None or isinstance(error, EmptyLedgerError):
                raise
            self.problem, self._pointer = str(error), stamp
            return
        with self._lock:
            number = opened.edition.number
            self._open[number] = opened
            self._newest, self._pointer, self.problem = opened, stamp, None
            for old in sorted(self._open)[:-SNAPSHOTS_OPEN]:
                self._open[old].is_retired = True
                self._close_if_done(self._open[old])

    def _newest_open(self) -> _Open:
        for attempt in range(3):
            path = current(self.home)
            with self._lock:
                opened = next((candidate for candidate in self._all() if candidate.path == path), None)
            if opened is not None:
                return opened
            try:
                return _Open(self.home, path.name)
            except CorruptError:
                # Between pointer and open the snapshot may have been pruned; then the pointer has moved on.
                if path.exists() or attempt == 2:
                    raise
        raise CorruptError(f"the snapshots in {self.home.snapshots} keep vanishing")

    def _lease(self, number: int | None) -> _Open:
        snapshot = self.newest().number if number is None else number
        with self._lock:
            opened = self._open.get(snapshot) if number is not None else self._newest
            if opened is not None:
                opened.readers += 1
                return opened
        with self._opening:
            path = self.home.snapshots / f"prices-{snapshot:06d}.duckdb"
            if not path.exists():
                raise UsageError(f"snapshot {snapshot} is not kept any more; start again without a cursor")
            opened = self._open.get(snapshot) or _Open(self.home, path.name)
            with self._lock:
                self._open[snapshot] = opened
                opened.readers += 1
                return opened

    def _release(self, opened: _Open) -> None:
        with self._lock:
            opened.readers -= 1
            self._close_if_done(opened)
            if not opened.readers and not opened.is_retired:
                past_offers.rest(opened.connection)

    def _close_if_done(self, opened: _Open) -> None:
        if opened.is_retired and not opened.readers:
            opened.connection.close()
            self._open.pop(opened.edition.number, None)

    def _all(self) -> Iterator[_Open]:
        yield from self._open.values()

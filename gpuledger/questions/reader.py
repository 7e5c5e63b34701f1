"""What every question of the ledger starts from: where it lives, what time it is, and a snapshot."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from gpuledger import parse
from gpuledger.core.config import load_settings
from gpuledger.core.store.home import Home, home_of
from gpuledger.snapshots import NewestSnapshot, SharedSnapshot, Snapshot, Snapshots

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.store.snapshot_pool import Edition


@dataclass(frozen=True, kw_only=True)
class QueryLimits:
    """What SQL of others may take."""

    seconds: float = 60.0
    rows: int = 1_000_000
    mib: int = 512
    """Of one answer as it leaves its process."""
    threads: int = 4
    at_once: int | None = None
    """Queries that run at the same time; `None` is any number."""
    wait_seconds: float = 5.0
    """For a turn, where others run already."""


class Rows(list[dict[str, Any]]):
    """Rows of an answer, with what is said of them.

    `total` counts the rows before paging, `as_of` is the time at which prices are judged, `remarks` are sentences for
    a person.
    """

    def __init__(
        self,
        rows: Iterable[dict[str, Any]],
        *,
        total: int | None = None,
        as_of: datetime | None = None,
        remarks: Iterable[str] = (),
    ) -> None:
        super().__init__(rows)
        self.total = len(self) if total is None else total
        self.as_of = as_of
        self.remarks = tuple(remarks)

    def to_arrow(self) -> Any:
        """The rows as a `pyarrow.Table`."""
        import pyarrow

        return cast("Any", pyarrow).Table.from_pylist(list(self))

    def to_df(self) -> Any:
        """The rows as a pandas frame; pandas is not a dependency and must be there."""
        return self.to_arrow().to_pandas()


def query_rows(
    connection: duckdb.DuckDBPyConnection, name: str, named: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Rows of `sql/<name>.sql`, such as `queries/gpus`. DuckDB is loaded by whoever opened the connection."""
    from gpuledger.core.store import sql

    return sql.rows(connection, name, named)


def _quiet(text: str) -> None:
    import logging

    logging.getLogger("gpuledger").info(text)


class LedgerReader:
    """A home, a clock and a way to snapshots; the questions are in the classes that build on it."""

    def __init__(
        self,
        home: Home | Path | str | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        environ: Mapping[str, str] | None = None,
        snapshots: Snapshots | None = None,
        say: Callable[[str], None] | None = None,
        query_limits: QueryLimits | None = None,
    ) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        if not isinstance(home, Home):
            place = None if home is None else Path(home)
            home = home_of(load_settings(self.environ, home=place))
        self.home = home
        self.clock = clock or _now
        self.say = say or _quiet
        self.query_limits = query_limits or QueryLimits()
        self._snapshots = snapshots or NewestSnapshot(self.home, clock=self.clock, say=self.say)
        most = self.query_limits.at_once
        self._turns = None if most is None else threading.BoundedSemaphore(most)

    @contextmanager
    def reading(self, number: int | None = None) -> Generator[Snapshot]:
        """The snapshot that one answer is from: the newest, or a server's earlier one by its number.

        Raises:
            CorruptError: it cannot be read.
            UsageError: no snapshot of that number is there any more.
        """
        with self._snapshots.reading(number) as snapshot:
            yield snapshot

    @contextmanager
    def pinned(self, number: int | None = None) -> Generator[Self]:
        """The same ledger, all of whose answers are from one snapshot, whatever is published meanwhile."""
        with self.reading(number) as snapshot:
            same = copy.copy(self)
            same._snapshots = SharedSnapshot(snapshot)
            yield same

    @property
    def edition(self) -> Edition:
        """Of the snapshot that answers now."""
        with self.reading() as snapshot:
            return snapshot.edition

    def past(self, as_of: parse.When) -> tuple[datetime | None, datetime]:
        """The past time that is asked of, if any, and the time at which prices are judged.

        Raises:
            UsageError: no time, or one in the future.
        """
        now = self.clock()
        time = parse.past(as_of, "as_of", now)
        return time, time or now


def _now() -> datetime:
    return datetime.now(UTC)

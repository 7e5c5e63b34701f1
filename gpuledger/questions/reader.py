"""What every question of the ledger starts from: where it lives, what time it is, a snapshot, and the user's own
terms."""

from __future__ import annotations

import copy
import json
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from gpuledger import parse
from gpuledger.core import errors
from gpuledger.core.config import load_settings
from gpuledger.core.errors import UsageError
from gpuledger.core.store.home import Home, home_of

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.cost.market.own_terms import Overrides
    from gpuledger.core.estimate.measurements import Measurement
    from gpuledger.core.store.home import Home
    from gpuledger.core.store.snapshot_pool import Edition


# Where a `Ledger` gets its snapshot from: the newest one on disk for a single question, a pool for a
# server, or one that several questions share.


class Snapshot(Protocol):
    """A published state of the ledger as one reader sees it."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection: ...

    @property
    def edition(self) -> Edition:
        """Its number, its time, and when its prices stop being fresh."""
        ...

    @property
    def cache(self) -> dict[str, Any]:
        """Answers that hold for as long as the snapshot does, by query."""
        ...


class Snapshots(Protocol):
    """Opens snapshots for readers."""

    def reading(self, number: int | None = None) -> AbstractContextManager[Snapshot]:
        """The newest snapshot, or an earlier one by its number."""
        ...


class OneReader:
    """A connection of one's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.cache: dict[str, Any] = {}

        self._edition: Edition | None = None

    @property
    def edition(self) -> Edition:
        """Read when it is first needed: most questions do not ask."""
        if self._edition is None:
            from gpuledger.core.store.snapshot_pool import edition_of

            self._edition = edition_of(self.connection)
        return self._edition


class NewestSnapshot:
    """Opens the newest snapshot for each question. On a first use the bundled list makes one, after an upgrade the
    ledger makes one anew, and `say` is told so."""

    def __init__(self, home: Home, *, clock: Callable[[], datetime], say: Callable[[str], None]) -> None:
        self._home, self._clock, self._say = home, clock, say

    @contextmanager
    def reading(self, number: int | None = None) -> Generator[Snapshot]:
        """The newest snapshot; an earlier one is a server's to keep."""
        from gpuledger.core.store import sql
        from gpuledger.core.store.publish import open_snapshot

        try:
            connection = open_snapshot(self._home)
        except (errors.EmptyLedgerError, errors.OutdatedError) as error:
            self.make_readable(error)
            connection = open_snapshot(self._home)
        try:
            with sql.explaining(f"read the snapshot in {self._home.snapshots}"):
                yield OneReader(connection)
        finally:
            connection.close()

    def make_readable(self, why: errors.GPULedgerError) -> None:
        """Publish what readers lack: the bundled list in a new ledger, the old rows after an upgrade."""
        from gpuledger.flows.ledger import LedgerWriter
        from gpuledger.scrapers.archives.registry import EVERY_SOURCE

        writer = LedgerWriter(home=self._home, sources=EVERY_SOURCE, clock=self._clock)
        if isinstance(why, errors.OutdatedError):
            from gpuledger.flows.publish import publish_news

            publish_news(writer)
            self._say("the ledger was written by another release: brought it to this one")
            return
        from gpuledger.flows.imports import load_bundled

        load_bundled(writer)
        if writer.home.follows is None:
            self._say(
                f"no ledger yet: started one from the bundled {_lists(writer.home)}; `gpuledger refresh` fetches live"
                " prices"
            )


def _lists(home: Home) -> str:
    return "price list and history" if home.has_history else "price list"


class SharedSnapshot:
    """The one snapshot that all questions of a `with` block are asked of."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @contextmanager
    def reading(self, number: int | None = None) -> Generator[Snapshot]:
        """That snapshot, whatever is published meanwhile."""
        yield self._snapshot


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


# What a home holds of the user's own: other terms than the list's, and measured runs.


class OwnTerms(LedgerReader):
    """A ledger with its user's own terms and measurements."""

    def overrides(self) -> Overrides:
        """The user's own terms, read anew for every answer: `GPULEDGER_OVERRIDES`, else `overrides.toml` of the home;
        none without a file.

        Raises:
            ConfigError: the file is wrong.
            UsageError: the file that the variable names cannot be read.
        """
        from gpuledger.core.cost.market.own_terms import Overrides, read_overrides

        named = self.environ.get("GPULEDGER_OVERRIDES")
        path = Path(named) if named else self.home.path / "overrides.toml"
        try:
            return read_overrides(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            if named:
                raise UsageError(f"GPULEDGER_OVERRIDES: cannot read {path}: {error}") from error
            return Overrides()

    @property
    def measured_path(self) -> Path:
        """Where measured runs are."""
        return self.home.path / "measured.json"

    def measurements(self) -> tuple[Measurement, ...]:
        """The user's own measured runs."""
        if not self.measured_path.exists():
            return ()
        from gpuledger.core.estimate.measurements import read_measurements

        return tuple(read_measurements(self.measured_path))

    def calibrate(self, text: str, *, syntax: str) -> dict[str, Any]:
        """Save a measured run, so that estimates of plans like it rest on it.

        Args:
            text: a plan with a table `[measured]` that holds `tokens_per_second` or `step_seconds`.
            syntax: `toml` or `json`.
        """
        from dataclasses import asdict

        from gpuledger.core.estimate.measurements import append_measurement, measurement_of_text

        measured = measurement_of_text(
            text, syntax="toml" if syntax == "toml" else "json", measured_at=self.clock().isoformat()
        )
        self.home.create()
        append_measurement(self.measured_path, measured)
        return json.loads(json.dumps(asdict(measured)))

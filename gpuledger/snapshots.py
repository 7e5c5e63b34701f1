"""Where a `Ledger` gets its snapshot from: the newest one on disk for a single question, a pool for a server, or one
that several questions share."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from gpuledger.core import errors

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.store.home import Home
    from gpuledger.core.store.snapshot_pool import Edition


class Snapshot(Protocol):
    """A published state of the ledger as one reader sees it."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection: ...

    @property
    def edition(self) -> Edition:
        """Its number, its time, and when its prices stop being fresh."""
        ...

    @property
    def cache(self) -> dict[str, list[dict[str, Any]]]:
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
        self.cache: dict[str, list[dict[str, Any]]] = {}

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
        from gpuledger.core.store.publish import opened

        try:
            connection = opened(self._home)
        except (errors.EmptyLedgerError, errors.OutdatedError) as error:
            self.make_readable(error)
            connection = opened(self._home)
        try:
            with sql.told(f"read the snapshot in {self._home.snapshots}"):
                yield OneReader(connection)
        finally:
            connection.close()

    def make_readable(self, why: errors.GPULedgerError) -> None:
        """Publish what readers lack: the bundled list in a new ledger, the old rows after an upgrade."""
        from gpuledger.flows.ledger import Ledger
        from gpuledger.scrapers.archives.registry import EVERY_SOURCE

        writer = Ledger(home=self._home, sources=EVERY_SOURCE, clock=self._clock)
        if isinstance(why, errors.OutdatedError):
            from gpuledger.flows.publish import publish_news

            publish_news(writer)
            self._say("the ledger was written by another release: brought it to this one")
            return
        from gpuledger.flows.lists import load_bundled

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

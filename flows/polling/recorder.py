"""Runs that a poller fetched, many at a time: one turn of the writer, one commit, and at most one snapshot for all.

What is recorded, and how, is `record_runs`' to say, as for every other way to refresh. The archive holds the runs
before they come here, so whatever is lost here is found there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from gpuledger.core.errors import CorruptError, GPULedgerError, StoreError
from gpuledger.core.store.archive import Manifest
from gpuledger.flows.ledger import CycleReport, LedgerWriter, RunReport
from gpuledger.flows.left_over import ABANDONED
from gpuledger.flows.machines import say, say_of
from gpuledger.flows.pipeline import read_run, record_runs
from gpuledger.flows.telemetry import span
from gpuledger.flows.validate import Parsed

LOG = logging.getLogger("gpuledger")

QUIET = timedelta(minutes=5)
"""Runs that changed nothing are published after so long: until then readers take a price to be so much older than it
is, which no target of hours minds, and nothing is copied for it."""


BYTES_PER_SECOND = 1_000_000
"""A snapshot is a copy of the ledger. Whatever moves, no more than this is copied on average (86 GB a day), so that a
ledger of 15 MB is published with every commit, and one of 250 MB every four minutes."""


class Recorder:
    """Records for one poller, on one thread."""

    def __init__(
        self, ledger: LedgerWriter, tell: Callable[[CycleReport], None] = lambda cycle: None
    ) -> None:
        self._ledger, self._tell = ledger, tell
        self._looked_back_at: datetime | None = None
        self._published_at: datetime | None = None
        self._must_look_back = True
        self._has_news = False

    def look_back(self) -> None:
        """The next time look for runs that nobody recorded: a source was taken over, or something went wrong."""
        self._must_look_back = True

    @property
    def is_looking_back(self) -> bool:
        """Whether the next time it looks for such runs, as it does every quarter of an hour anyway."""
        at = self._looked_back_at
        return self._must_look_back or at is None or self._ledger.clock() - at >= ABANDONED

    def record(
        self, manifests: Sequence[Manifest], held: Iterable[str], *, is_last: bool = False
    ) -> CycleReport | None:
        """Record them, and now and then what the archive holds and no process recorded.

        Args:
            held: sources that this poller alone reads: whatever is left of them is its own.
            is_last: the poller ends, so that nothing waits to be published.

        Returns:
            What became of them; `None` where the ledger refused. They are looked for in the archive the next time.
        """
        at, looks_back = self._ledger.clock(), self.is_looking_back
        self._must_look_back = False
        try:
            with span("poll", runs=len(manifests)) as note:
                cycle = record_runs(
                    self._ledger,
                    [run for manifest in manifests if (run := self._read(manifest)) is not None],
                    sources=tuple(held) if looks_back else (),
                    looks_back=looks_back,
                    # after an error each run stands for itself, so that one that cannot be written stops no other
                    is_one_commit=not looks_back,
                    do_publish=lambda reports: is_last or self._is_news(reports, at),
                )
                note(snapshot=cycle.snapshot)
        except StoreError as error:
            self.look_back()
            LOG.warning("not recorded yet: %s", error)
            say(self._ledger, str(error))
            return None
        except Exception:
            # reading goes on, and what is fetched is safe
            self.look_back()
            LOG.exception("not recorded yet")
            return None
        if looks_back:
            self._looked_back_at = at
        if cycle.snapshot is not None:
            self._published_at, self._has_news = at, False
        say_of(self._ledger, cycle.runs)
        try:
            self._tell(cycle)
        except GPULedgerError as error:
            LOG.warning("nobody was told: %s", error)
        return cycle

    def _read(self, manifest: Manifest) -> Parsed | None:
        try:
            return read_run(self._ledger, manifest)
        except CorruptError as error:
            # looking back names it each time, until it is mended
            self.look_back()
            LOG.warning("%s cannot be read: %s", manifest.run_id, error)
            return None

    def _is_news(self, reports: Sequence[RunReport], at: datetime) -> bool:
        self._has_news = self._has_news or any(not report.is_settled for report in reports)
        if self._published_at is None:
            return True
        rested = at - self._published_at
        return rested >= QUIET or (self._has_news and rested >= self._rest())

    def _rest(self) -> timedelta:
        try:
            return timedelta(seconds=self._ledger.home.database.stat().st_size / BYTES_PER_SECOND)
        except OSError:
            return timedelta(0)

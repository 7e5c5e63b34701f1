"""When a poller reads a source next, and how late it was: pure, and the same grid as everybody's (`timetable`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gpuledger.flows.timetable import is_served, last_time
from gpuledger.scrapers.source import Source

AT_ONCE = timedelta(minutes=1)
"""A source that is due is read at once where its next time is further away than this."""


@dataclass
class PollTimes:
    """One source's times, and what became of them."""

    source: Source
    """At the interval at which it is polled."""
    longest: timedelta
    """The interval that the source declares: one that fails is not asked more rarely."""
    run_at: datetime | None = None
    """Start of its newest run, whoever made it."""
    failures: int = 0
    """Runs without a believable answer since the last one with it."""
    reads: int = 0
    missed: int = 0
    """Times of the grid that passed while an earlier run was still being fetched, or while the process stood still."""
    latest: timedelta = timedelta(0)
    """The most that a run began after its time."""
    _planned_at: datetime | None = None

    def next_at(self, at: datetime) -> datetime:
        """When to read it, from now on."""
        every = self.source.every
        passed = last_time(self.source.name, every, at)
        planned = passed + every
        if self._planned_at is None and not self._is_served(passed) and planned - at > AT_ONCE:
            planned = at
        elif self._planned_at is not None:
            # what passed meanwhile was missed; a source that fails is left alone for longer and misses nothing
            due_at = last_time(self.source.name, every, self._planned_at) + self.wait()
            self.missed += max(0, (planned - due_at) // every)
            planned = max(planned, due_at)
        self._planned_at = planned
        return planned

    def wait(self) -> timedelta:
        """From one time to the next: an interval, twice as long after each failure but the first, at most as long as
        the source declares."""
        every = self.source.every
        longer = every * 2 ** min(max(0, self.failures - 1), 20)
        return max(every, min(longer, self.longest // every * every))

    def is_due(self, planned_at: datetime) -> bool:
        """Whether no run of anybody stands for that time."""
        return not self._is_served(planned_at)

    def _is_served(self, planned_at: datetime) -> bool:
        return self.run_at is not None and is_served(self.run_at, self.source.every, planned_at)

    def began(self, planned_at: datetime, began_at: datetime) -> None:
        """A run begins."""
        self.reads += 1
        self.latest = max(self.latest, began_at - planned_at)

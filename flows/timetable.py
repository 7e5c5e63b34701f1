"""When each source is read: at fixed times that no restart moves, and at once where nothing was read yet.

A source's times are a grid of its interval through an anchor that follows from its name alone: all machines and all
ways to schedule (Prefect, a timer, cron) agree on it, a new deployment changes nothing, and no two sources start in one
second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gpuledger.core.errors import ConfigError, StoreError, UnreachableError
from gpuledger.core.store.archive import started_at
from gpuledger.core.store.leases import Lease, Leases
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.left_over import RECOVERY
from gpuledger.scrapers.source import HOURLY, Source

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

AUDIT_TIMES = timedelta(hours=1), EPOCH + timedelta(minutes=17)
COMPACTION_TIMES = timedelta(days=1), EPOCH + timedelta(hours=3, minutes=41)
"""Interval and one time of each. Not by cron: the server of Prefect 3.9.1 finds no time of such a schedule on Python
3.11, and says so in its own log alone."""

EARLY = 0.3
"""Of an interval: a run this little before a time of the grid stands for it. A source that is read at once on a new
machine is so read at most 1.2 times as often as it declares over four of its intervals, and waits at most 1.3 of
them, once."""

RETRY = 1 / 6
"""Of an interval: after so long a run that was begun and left nothing, because its process died, is begun again."""


def anchor(name: str, every: timedelta) -> datetime:
    """A time of the grid of that source: a whole second, or below an hour a whole millisecond, since minutes have few
    seconds for many sources."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    if every < HOURLY:
        return EPOCH + timedelta(milliseconds=number % max(1, every // timedelta(milliseconds=1)))
    return EPOCH + timedelta(seconds=number % int(every.total_seconds()))


def as_set(sources: Iterable[Source], intervals: Mapping[str, timedelta]) -> tuple[Source, ...]:
    """Each source at the interval that the settings name for it, or its own. Targets and rules of evidence stay those
    of the declared interval, so that a replay says the same under any setting.

    Raises:
        ConfigError: a source does not permit its interval, or there is none of that name.
    """
    left = dict(intervals)
    chosen: list[Source] = []
    for source in sources:
        every = left.pop(source.name, source.every)
        if not source.shortest <= every <= source.every:
            permitted = (
                "none but its own" if source.shortest == source.every else f"{spoken(source.shortest)} to"
            )
            raise ConfigError(
                f"sources.{source.name}.every: {spoken(every)} is not permitted; allowed: {permitted}"
                f" {spoken(source.every)}"
            )
        chosen.append(source if every == source.every else replace(source, every=every))
    return tuple(chosen)


def is_polled(source: Source) -> bool:
    """Whether a source is read so often that a process has to stay for it."""
    return source.every < HOURLY


def spoken(span: timedelta) -> str:
    """An interval in words."""
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"


def last_time(name: str, every: timedelta, at: datetime) -> datetime:
    """The newest time of the grid that is not after `at`."""
    first = anchor(name, every)
    return first + (at - first) // every * every


def is_due(
    name: str, every: timedelta, *, run_at: datetime | None, begun_at: datetime | None, at: datetime
) -> bool:
    """Whether a source has to be read now.

    Args:
        run_at: start of its newest run, whatever came of it.
        begun_at: when somebody last began to read it on this machine, with or without a run.
    """
    if begun_at is not None and (run_at is None or begun_at > run_at) and at - begun_at < every * RETRY:
        return False
    return run_at is None or not is_served(run_at, every, last_time(name, every, at))


def is_served(run_at: datetime, every: timedelta, scheduled_at: datetime) -> bool:
    """Whether a run that began at `run_at` stands for a time of the grid."""
    return run_at >= scheduled_at - every * EARLY


@dataclass(frozen=True, kw_only=True)
class Due:
    """What a timer has to read now, and when it has to come again."""

    sources: tuple[Source, ...]
    next_at: datetime | None
    next_source: str | None
    leased: tuple[Lease, ...] = ()
    """Of sources that another process reads all the time; they are not looked at here."""


def due(ledger: LedgerWriter, sources: Iterable[Source]) -> Due:
    """Those of the sources that have to be read now."""
    at = ledger.clock()
    newest = newest_runs(ledger, at)
    now: list[Source] = []
    later: list[tuple[datetime, str]] = []
    living: dict[str, Lease] = {}
    with suppress(UnreachableError):
        living = Leases(home=ledger.home, clock=ledger.clock).living()
    leased: list[Lease] = []
    for source in sources:
        if source.name in living:
            leased.append(living[source.name])
            continue
        begun_at = _begun_at(ledger, source.name)
        if is_due(source.name, source.every, run_at=newest.get(source.name), begun_at=begun_at, at=at):
            now.append(source)
        else:
            later.append((last_time(source.name, source.every, at) + source.every, source.name))
    next_at, next_source = min(later, default=(None, None))
    return Due(sources=tuple(now), next_at=next_at, next_source=next_source, leased=tuple(leased))


def newest_runs(ledger: LedgerWriter, at: datetime) -> dict[str, datetime]:
    """When the newest run of each source began, by the names of the archive's manifests."""
    newest: dict[str, datetime] = {}
    for run in ledger.archive.run_ids(at - RECOVERY):
        began_at, source = started_at(run)
        if began_at <= at:
            newest[source] = max(began_at, newest.get(source, began_at))
    return newest


def begin(ledger: LedgerWriter, sources: Iterable[Source]) -> None:
    """Note on this machine that these are about to be read, so that a process that dies in the middle, again and
    again, does not ask a provider each time.

    Raises:
        StoreError: the disk refused.
    """
    at = ledger.clock().isoformat()
    for source in sources:
        path = _note(ledger, source.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(at, encoding="ascii")
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error


def _begun_at(ledger: LedgerWriter, name: str) -> datetime | None:
    with suppress(OSError, ValueError):
        return datetime.fromisoformat(_note(ledger, name).read_text(encoding="ascii"))
    return None


def _note(ledger: LedgerWriter, name: str) -> Path:
    return ledger.home.path / "locks" / f"{name}.begun"

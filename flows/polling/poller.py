"""One long-lived process that reads many sources every few minutes, from one event loop.

Each source has a lease, times of its own and a loop that waits for them; what is fetched is in the archive before
anybody reads it. Every some seconds one thread records all that came (`recorder`). Nothing of it is kept in memory
alone: a process that is killed leaves runs in the archive, which the next one records, and leases, which lapse.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gpuledger.core.errors import (
    ClockError,
    LeasedError,
    MissingCredentialError,
    StoreBusyError,
    StoreError,
    UnreachableError,
)
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.clocks import check_machine
from gpuledger.core.store.database import turn_of_source
from gpuledger.core.store.leases import LASTS, Leases, holder_name
from gpuledger.flows.fetch_run import run_steps
from gpuledger.flows.ledger import CycleReport, LedgerWriter
from gpuledger.flows.left_over import RECOVERY
from gpuledger.flows.machines import say
from gpuledger.flows.pipeline import meet_store
from gpuledger.flows.polling.note import PollerNote, remove_note, write_note
from gpuledger.flows.polling.recorder import Recorder
from gpuledger.flows.polling.schedule import PollTimes
from gpuledger.scrapers.http.fetch_async import AsyncFetcher
from gpuledger.scrapers.source import Source

LOG = logging.getLogger("gpuledger")

TICK_SECONDS = 15.0
"""What came within so long is recorded together."""
REST = 3.0
"""Recording rests for so many times the processor time that it last took, so that it takes a quarter of one processor
at most, however large the ledger is."""
MOST_AT_ONCE = 50
"""Runs of one commit: some seconds, which a process that is told to end waits for. What is left then, because the
machine was too busy to record it, is in the archive."""
GRACE_SECONDS = 5.0
"""A process that is told to end waits so long for answers that are under way."""
LONGEST_SLEEP_SECONDS = 20.0
"""A clock that is set meanwhile is noticed within this time."""
TURNS_AT_ONCE = 16
"""Of a shared store each is a session of the catalogue."""
THREADS = 16


@dataclass(kw_only=True)
class Poller:
    """Polls the sources at the intervals that they have here, until it is told to end."""

    ledger: LedgerWriter
    sources: tuple[Source, ...]
    fetcher: AsyncFetcher
    recorder: Recorder
    tick_seconds: float = TICK_SECONDS
    holder: str = ""
    lease: timedelta = LASTS
    paces: dict[str, PollTimes] = field(init=False)
    _before: dict[str, Manifest] = field(default_factory=dict[str, Manifest])
    """The newest run of each source that is held."""
    _reading: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, "asyncio.Task[None]"])
    _busy: set[str] = field(default_factory=set[str])
    _pending: list[Manifest] = field(default_factory=list[Manifest])
    _is_ending: bool = False
    _left_out: set[str] = field(default_factory=set[str])
    """Sources whose key is missing."""

    def __post_init__(self) -> None:
        self.holder = self.holder or holder_name(self.ledger.home)
        declared = {source.name: source.every for source in self.ledger.sources}
        self.paces = {
            source.name: PollTimes(
                source=source, longest=max(source.every, declared.get(source.name, source.every))
            )
            for source in self.sources
        }
        self._leases = Leases(home=self.ledger.home, clock=self.ledger.clock, lasts=self.lease)
        self._has_leases = asyncio.Event()
        self._began_at = self.ledger.clock()
        self._recording = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; then end within seconds, with everything that was fetched recorded.

        Raises:
            NotMountedError: the shared store's folders are not there.
            StoreError: the catalogue does not answer at the start.
        """
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=THREADS))
        await asyncio.to_thread(meet_store, self.ledger)
        self.ledger.home.create()
        work = {
            asyncio.create_task(self._keep_leases()),
            asyncio.create_task(self._keep_recording()),
            asyncio.create_task(stop.wait()),
        }
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await self._end()
        for task in done:
            # neither loop ends but by an error that nobody foresaw
            task.result()

    # leases

    async def _keep_leases(self) -> None:
        while True:
            await self._renew()
            self._has_leases.set()
            await asyncio.to_thread(self._note)
            await asyncio.sleep(self.lease.total_seconds() / 3)

    async def _renew(self) -> None:
        try:
            held = await asyncio.to_thread(self._renewed)
        except UnreachableError as error:
            # nobody else can take a lease either
            LOG.warning("leases are not renewed: %s", error)
            return
        except ClockError as error:
            LOG.warning("%s", error)
            await asyncio.to_thread(say, self.ledger, str(error))
            held: frozenset[str] = frozenset()
        except StoreError as error:
            LOG.warning("leases are not renewed: %s", error)
            return
        for name in self._reading.keys() - held:
            self._reading.pop(name).cancel()
            LOG.warning("%s is read by another now", name, extra={"source": name})
        new = {name for name in held - self._reading.keys() if name not in self._left_out}
        if new:
            # of their former holder
            self.recorder.look_back()
        since = self.ledger.clock() - RECOVERY
        newest = await asyncio.to_thread(self.ledger.archive.newest_of, new, since) if new else {}
        for name in sorted(new):
            before = newest.get(name)
            if before is not None:
                self._before[name] = before
                self.paces[name].run_at = before.started_at
            self._reading[name] = asyncio.create_task(self._poll(self.paces[name]))

    def _renewed(self) -> frozenset[str]:
        """Renew what is held and take what has become free; returns what is held now."""
        check_machine(self.ledger.clock(), self._leases.now())
        held = self._leases.renew(self.holder)
        missing = sorted(self.paces.keys() - held - self._left_out)
        for start in range(0, len(missing), TURNS_AT_ONCE):
            with ExitStack() as turns:
                free = list(self._turns(turns, missing[start : start + TURNS_AT_ONCE]))
                held |= self._leases.take(self.holder, free) if free else frozenset()
        return held

    def _turns(self, turns: ExitStack, names: Iterable[str]) -> Iterator[str]:
        """Those that nobody reads at this moment, with their turns held."""
        for name in names:
            with suppress(StoreBusyError):
                turn = turns.enter_context(turn_of_source(self.ledger.home, name, wait_seconds=0))
                if self.ledger.home.lake is None or turn is not None:
                    yield name

    def _note(self) -> None:
        paces = self.paces.values()
        note = PollerNote(
            holder=self.holder,
            said_at=self.ledger.clock(),
            began_at=self._began_at,
            sources=len(self._reading),
            reads=sum(pace.reads for pace in paces),
            failures=sum(pace.failures > 0 for pace in paces),
            missed=sum(pace.missed for pace in paces),
            latest_seconds=max((pace.latest.total_seconds() for pace in paces), default=0.0),
            cpu_seconds=time.process_time(),
        )
        try:
            write_note(self.ledger.home, note)
        except StoreError as error:
            LOG.warning("%s", error)

    # reading

    async def _poll(self, pace: PollTimes) -> None:
        name = pace.source.name
        while True:
            planned_at = pace.next_at(self.ledger.clock())
            await self._sleep_until(planned_at)
            if not pace.is_due(planned_at):
                continue
            if self._is_ending:
                return
            self._busy.add(name)
            try:
                pace.began(planned_at, self.ledger.clock())
                await self._read(pace)
            except LeasedError as error:
                LOG.warning("what was fetched of %s is not kept: %s", name, error, extra={"source": name})
                self._reading.pop(name, None)
                return
            except MissingCredentialError as error:
                LOG.warning("%s", error, extra={"source": name})
                self._left_out.add(name)
                self._reading.pop(name, None)
                with suppress(StoreError):
                    await asyncio.to_thread(self._leases.release, self.holder, [name])
                return
            except StoreError as error:
                pace.failures += 1
                LOG.warning("%s is not read: %s", name, error, extra={"source": name})
            except Exception:
                # one source's fault never ends the others
                pace.failures += 1
                LOG.exception("%s is not read", name, extra={"source": name})
            finally:
                self._busy.discard(name)
            if self._is_ending:
                return

    async def _sleep_until(self, at: datetime) -> None:
        while (seconds := (at - self.ledger.clock()).total_seconds()) > 0:
            await asyncio.sleep(min(seconds, LONGEST_SLEEP_SECONDS))

    async def _read(self, pace: PollTimes) -> None:
        name = pace.source.name
        steps = run_steps(self.ledger, pace.source, self.fetcher, self._before.get(name), self.ledger.clock())
        manifest, notes = await self.fetcher.take_all(steps)
        await asyncio.to_thread(self._keep, manifest)
        if pace.run_at is None:
            for note in notes:
                LOG.info("%s: %s", name, note, extra={"source": name})
        self._before[name], pace.run_at = manifest, manifest.started_at
        pace.failures += manifest.failure is not None
        self._pending.append(manifest)

    def _keep(self, manifest: Manifest) -> None:
        with self._leases.holding(self.holder, manifest.source):
            self.ledger.archive.write_manifest(manifest)

    # recording

    async def _keep_recording(self) -> None:
        await self._has_leases.wait()
        while True:
            used_seconds = await self._record()
            least = 0.0 if len(self._pending) >= MOST_AT_ONCE else self.tick_seconds
            await asyncio.sleep(max(least, REST * used_seconds))

    async def _record(self, *, is_last: bool = False) -> float:
        """Returns the processor time that it took."""
        batch, self._pending = self._pending[:MOST_AT_ONCE], self._pending[MOST_AT_ONCE:]
        if not batch and not self.recorder.is_looking_back and not is_last:
            return 0.0
        held = tuple(self._reading)

        def work() -> tuple[CycleReport | None, float]:
            began = time.thread_time()
            cycle = self.recorder.record(batch, held, is_last=is_last)
            return cycle, time.thread_time() - began

        cycle, used_seconds = await asyncio.get_running_loop().run_in_executor(self._recording, work)
        if cycle is not None:
            self._heed(batch, cycle)
        return used_seconds

    def _heed(self, batch: Iterable[Manifest], cycle: CycleReport) -> None:
        """A source whose answers are not believed is asked more rarely, like one that does not answer."""
        answered = {manifest.run_id for manifest in batch if manifest.failure is None}
        for report in cycle.runs:
            if report.run_id in answered:
                pace = self.paces[report.source]
                pace.failures = 0 if report.outcome == "accepted" else pace.failures + 1

    async def _end(self) -> None:
        """Wait a little for what is under way, record what came, give the leases back."""
        self._is_ending = True
        tasks = dict(self._reading)
        for name, task in tasks.items():
            if name not in self._busy:
                task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks.values(), timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        await self._record(is_last=True)
        if self._pending:
            LOG.warning(
                "%d runs are left in the archive to be recorded at the next start", len(self._pending)
            )
        self._reading.clear()
        self._recording.shutdown()
        remove_note(self.ledger.home)
        try:
            await asyncio.to_thread(self._leases.release, self.holder)
        except StoreError as error:
            LOG.warning("leases are not given back, and lapse: %s", error)

"""Several machines that refresh one shared ledger: processes with homes of their own, and what they said."""

import json
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx

from gpuledger.core.config import FetchSettings, lake_address
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.shared.move import contents_of_lake, contents_of_ledger
from gpuledger.flows.pipeline import LedgerWriter, open_ledger, record_runs, refresh_sources
from gpuledger.scrapers.http.fetch import Fetcher
from tests.faults.hostile import HostileProvider, plain
from tests.faults.market import SKUS, listing, source
from tests.faults.soundness import Committed, assert_archive_recorded, assert_replay_agrees, committed
from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
COMMON = "common"
"""The source that every machine refreshes, so that they have to take turns."""


@dataclass
class Machine:
    """One process and its home."""

    name: str
    home: Path
    process: subprocess.Popen
    said: list[dict] = field(default_factory=list)
    listener: threading.Thread | None = None


@dataclass
class Fleet:
    """The machines of one lake, and the provider that gives every request prices of its own."""

    server: Server
    folder: Path
    provider: HostileProvider = field(default_factory=HostileProvider)
    machines: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.server.store("postgres", self.folder / "shared", schema=f"fleet_{self.folder.name}")
        (self.folder / "shared").mkdir(parents=True)
        self._answers = count(1)
        self._seeds = count(1)
        self.answered = 0
        self._guard = threading.Lock()
        self.sources = [COMMON]
        self.provider.behave = self._answer

    def _answer(self, connection, path, headers, over) -> None:
        with self._guard:
            number = next(self._answers)
            self.answered = number
        connection.sendall(plain(listing(number)))

    def start(
        self,
        name: str,
        *,
        seconds: float,
        own: tuple[str, ...] = (),
        death: str | None = None,
        pause: float = 0.1,
        kill_at: int = 0,
    ) -> Machine:
        """Begin a machine's work; a name that was there before goes on in its home.

        Args:
            kill_at: step, as `tests.faults.victim` counts them, at which it kills itself; 0: never.
        """
        self.sources += [one for one in own if one not in self.sources]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        machine = Machine(name, self.folder / name, process)
        order = {
            "home": str(machine.home),
            "store": self.store,
            "url": self.provider.url,
            "sources": [*own, COMMON],
            "all_sources": [COMMON, *(f"source-{number}" for number in range(8))],
            "seconds": seconds,
            "seed": next(self._seeds),
            "death": death,
            "pause_seconds": pause,
            "kill_at": kill_at,
        }
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.close()
        machine.listener = threading.Thread(target=_listen, args=(machine,), daemon=True)
        machine.listener.start()
        self.machines.append(machine)
        return machine

    def kill(self, machine: Machine) -> bool:
        """SIGKILL; whether it was still at work."""
        machine.process.send_signal(signal.SIGKILL)
        return self.wait(machine) == -signal.SIGKILL

    def wait(self, *machines: Machine) -> int:
        """Until they have ended; the last one's exit status."""
        status = 0
        for machine in machines or tuple(self.machines):
            status = machine.process.wait(timeout=600)
            machine.listener.join(timeout=60)
            machine.process.stdout.close()
        return status

    @property
    def refreshes(self) -> int:
        return sum("runs" in said for machine in self.machines for said in machine.said)

    @property
    def surfaced(self) -> list[str]:
        """Errors that a refresh ended with, and runs that were not accepted."""
        return [
            error
            for machine in self.machines
            for said in machine.said
            for error in [
                said.get("error"),
                *(run[2] or run[1] for run in said.get("runs", ()) if run[1] != "accepted"),
            ]
            if error
        ]

    def ledger(self, name: str) -> LedgerWriter:
        """The shared ledger as that machine sees it."""
        return LedgerWriter(
            home=Home(self.folder / name, lake=lake_address(self.store)),
            sources=tuple(source(name) for name in [COMMON, *(f"source-{number}" for number in range(8))]),
            clock=lambda: datetime.now(UTC),
        )

    def assert_sound(self) -> Committed:
        """A machine that was not there sees each run and each price once; the others see the same; a replay agrees."""
        new = self.ledger("new")
        # what killed machines had fetched and not recorded is left over, of whichever source
        record_runs(new, [], sources=self.sources)
        found = committed(new)
        assert set(found.runs.values()) == {1}, "a run is there twice"
        assert set(found.prices.values()) == {1}, "a price is there twice"
        assert len(found.prices) == len(SKUS) * len(found.runs), "every answer had prices of its own"
        assert_archive_recorded(new, found)
        assert_replay_agrees(new)
        for machine in {machine.name for machine in self.machines}:
            other = self.ledger(machine)
            with turn(other.home), writing(other.home) as connection:
                open_ledger(other, connection)
                held = contents_of_ledger(connection)
                assert held == contents_of_lake(other.home.lake, connection), machine
            assert committed(other) == found, machine
        return found

    def close(self) -> None:
        for machine in self.machines:
            if machine.process.poll() is None:
                machine.process.kill()
                machine.process.wait()
            if not machine.process.stdout.closed:
                machine.process.stdout.close()
        self.provider.close()


def _listen(machine: Machine) -> None:
    for line in machine.process.stdout:
        machine.said.append(json.loads(line))


def refresh_once(ledger: LedgerWriter, url: str) -> None:
    """Refresh the common source in this process."""
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=2, wait_seconds=0, timeout_seconds=30),
            environ={},
            urls={COMMON: f"{url}/{COMMON}"},
            clock=ledger.clock,
        )
        refresh_sources(ledger, (ledger.sources[0],), fetcher)

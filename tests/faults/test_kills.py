"""Refreshes, replays and compactions are killed at every step and at random; nothing is lost or doubled."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from tests.faults.hostile import HostileProvider, plain
from tests.faults.market import SKUS, listing
from tests.faults.soundness import (
    Committed,
    assert_archive_recorded,
    assert_nothing_lost,
    assert_replay_agrees,
    committed,
)

ROOT = Path(__file__).resolve().parents[2]
REPLAYED_EVERY = 25
"""Kills between two comparisons of the archive with the ledger."""
RANDOM_KILLS = 320


@dataclass
class Victim:
    """The process that forks what is killed, its home, and what has been committed there."""

    process: subprocess.Popen
    ledger: object
    provider: HostileProvider
    known: Committed = field(default_factory=Committed)
    kills: int = 0
    ended_first: int = 0
    """Orders that were done before the signal came."""

    def order(self, what: str, *, kill_at: int = 0, after_seconds: float | None = None) -> dict:
        """Fork, maybe kill, and how it ended."""
        order = {"do": what, "kill_at": kill_at, "home": str(self.ledger.home.path), "url": self.provider.url}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        pid = json.loads(self.process.stdout.readline())["pid"]
        if after_seconds is not None:
            time.sleep(after_seconds)
            # The forking process still waits for it, or reaped it a moment ago.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return json.loads(self.process.stdout.readline())

    def steps_of(self, what: str) -> int:
        """How many steps an undisturbed order takes."""
        ended = self.order(what)
        assert ended["status"] == 0, ended
        return int(ended["said"])

    def assert_sound(self, ended: dict) -> None:
        """After one order: what was committed is there, once; checks are clean."""
        assert ended["status"] in (0, -signal.SIGKILL), ended
        self.kills += ended["status"] != 0
        self.ended_first += ended["status"] == 0
        after = committed(self.ledger)
        assert_nothing_lost(self.known, after)
        self.known = after
        if self.kills % REPLAYED_EVERY == 0:
            self.assert_recovers()

    def assert_recovers(self) -> None:
        """The next refresh succeeds, records whatever was fetched, and a replay agrees."""
        ended = self.order("refresh")
        assert ended["status"] == 0, ended
        after = committed(self.ledger)
        assert_nothing_lost(self.known, after)
        assert_archive_recorded(self.ledger, after)
        # Every answer had prices of its own, so each run that was archived must have brought all of them.
        assert len(after.prices) == len(SKUS) * len(after.runs)
        assert_replay_agrees(self.ledger)
        self.known = after


@pytest.fixture
def victim(trial) -> Iterator[Victim]:
    numbers = count(1)
    trial.provider.behave = lambda connection, path, headers, over: connection.sendall(
        plain(listing(next(numbers)))
    )
    command = [sys.executable, "-m", "tests.faults.victim"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        # the victim runs by the wall clock: to a clock behind it every run would be ahead
        yield Victim(process, replace(trial.ledger, clock=lambda: datetime.now(UTC)), trial.provider)
        process.stdin.close()


def killed_at(victim: Victim, what: str, steps: list[int]) -> None:
    for step in steps:
        victim.assert_sound(victim.order(what, kill_at=step))
    victim.assert_recovers()


@pytest.mark.recovery
def test_a_refresh_killed_at_some_steps_loses_nothing(victim):
    victim.order("refresh")
    steps = victim.steps_of("refresh")
    assert steps > 100
    killed_at(victim, "refresh", random.Random(7).sample(range(1, steps), 6))
    assert victim.kills >= 5


@pytest.mark.faults
def test_a_first_refresh_killed_at_every_step_loses_nothing(victim, tally):
    """Each kill is of the first writer of a new home, so that creation and migration are cut too."""
    homes = victim.ledger.home.path
    for step in count(1):
        victim.ledger = place(victim.ledger, homes.with_name(f"new-{step}"))
        victim.known = Committed()
        ended = victim.order("refresh", kill_at=step)
        if ended["status"] == 0:
            break
        victim.assert_sound(ended)
        if step % 10 == 0:
            victim.assert_recovers()
    tally.kills("first refresh, at every step", victim.kills)


def place(ledger, path):
    from dataclasses import replace

    from gpuledger.core.store.home import Home

    return replace(ledger, home=Home(path))


@pytest.mark.faults
@pytest.mark.parametrize("what", ["refresh", "replay", "compact"])
def test_killed_at_every_step_nothing_is_lost(victim, tally, what):
    victim.order("refresh")
    steps = victim.steps_of(what)
    killed_at(victim, what, list(range(1, steps + 1)))
    assert victim.kills >= steps * 0.9
    tally.kills(f"{what}, at every step", victim.kills)


@pytest.mark.faults
def test_killed_at_random_nothing_is_lost(victim, tally):
    victim.order("refresh")
    started = time.monotonic()
    victim.order("refresh")
    seconds = time.monotonic() - started
    chance = random.Random(2026)
    while victim.kills < RANDOM_KILLS:
        what = chance.choices(("refresh", "replay", "compact"), (8, 1, 1))[0]
        victim.assert_sound(victim.order(what, after_seconds=chance.uniform(0, seconds)))
    victim.assert_recovers()
    tally.kills("refresh, replay and compact, at random", victim.kills)

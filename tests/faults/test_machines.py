"""Machines that share a ledger refresh at once, are killed, and lose their catalogue; nothing is lost or doubled."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuledger.core.errors import StoreError
from gpuledger.core.store.catalogue import Turn
from tests.faults.fleet import COMMON, Fleet, refresh_once
from tests.postgres import Server, wait_until

pytestmark = pytest.mark.shared_store

SECTION = "Several machines, one shared store"


@pytest.fixture
def fleet(postgres: Server, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(postgres, tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [20, pytest.param(300, marks=pytest.mark.faults)])
def test_machines_that_refresh_at_once_lose_and_double_nothing(fleet, tally, seconds):
    """Each has sources of its own, and one that all of them refresh."""
    for number in range(3):
        fleet.start(
            f"machine-{number}", seconds=seconds, own=(f"source-{2 * number}", f"source-{2 * number + 1}")
        )
    fleet.wait()
    assert fleet.surfaced == []
    found = fleet.assert_sound()
    assert fleet.refreshes == len(found.runs) == fleet.answered
    by_machine = [len(machine.said) for machine in fleet.machines]
    assert min(by_machine) >= 1, by_machine
    if seconds >= 300:
        tally.note(SECTION, "worker processes, each with a home of its own", str(len(fleet.machines)))
        tally.note(SECTION, "refreshes at once for", f"{seconds // 60} minutes")
        tally.note(SECTION, "refreshes, each recorded once", f"{len(found.runs):,}")
        common = sum(run.endswith(f"Z-{COMMON}") for run in found.runs)
        tally.note(SECTION, "of these, of the source that all refresh, in turns", f"{common:,}")
        tally.note(SECTION, "prices, each there once on every machine", f"{len(found.prices):,}")
        tally.note(SECTION, "conflicts or other errors that surfaced", str(len(fleet.surfaced)))


@pytest.mark.parametrize("death", ["before the commit", "after the commit"])
def test_a_machine_killed_in_the_middle_of_its_transaction_loses_nothing(fleet, tally, death):
    """Its run is left over in the archive, or is in the lake and not in its own database."""
    fleet.wait(fleet.start("first", seconds=1))
    victim = fleet.start("victim", seconds=60, death=death)
    assert fleet.wait(victim) == -9
    before = fleet.refreshes
    fleet.wait(fleet.start("first", seconds=1), fleet.start("victim", seconds=1))
    assert fleet.surfaced == []
    found = fleet.assert_sound()
    assert fleet.refreshes > before
    assert len(found.runs) == fleet.answered
    tally.more(SECTION, "killed with SIGKILL in the middle of a transaction", 1)


@pytest.mark.faults
def test_machines_killed_at_random_lose_nothing(fleet, tally):
    chance, kills = random.Random(2026), 0
    while kills < 40:
        started = [
            fleet.start(f"machine-{number}", seconds=120, own=(f"source-{number}",), pause=0)
            for number in range(3)
        ]
        for machine in started:
            wait_until(lambda one=machine: one.said, 60)
            time.sleep(chance.uniform(0, 1))
            kills += fleet.kill(machine)
    for number in range(3):
        fleet.start(f"machine-{number}", seconds=3, own=(f"source-{number}",))
    fleet.wait()
    assert fleet.surfaced == []
    found = fleet.assert_sound()
    tally.note(SECTION, "workers killed with SIGKILL at random", str(kills))
    tally.note(SECTION, "runs recorded around these kills, each once", f"{len(found.runs):,}")


@pytest.mark.faults
def test_a_catalogue_that_restarts_in_the_middle_of_writes_loses_nothing(fleet, postgres, tally):
    """`pg_ctl restart -m immediate`: sessions and turns end wherever they are."""
    chance, restarts = random.Random(7), 12
    for number in range(3):
        fleet.start(f"machine-{number}", seconds=120, own=(f"source-{number}",), pause=0)
    for _ in range(restarts):
        time.sleep(chance.uniform(2, 6))
        postgres.restart()
    fleet.wait()
    cut = fleet.surfaced
    assert all(error.startswith("StoreError") for error in cut), cut
    for number in range(3):
        again = fleet.start(f"machine-{number}", seconds=2, own=(f"source-{number}",))
        fleet.wait(again)
        assert all("runs" in said for said in again.said), "the next refresh succeeds"
    found = fleet.assert_sound()
    tally.note(SECTION, "restarts of PostgreSQL in the middle of writes", str(restarts))
    tally.note(SECTION, "refreshes that they cut short, recorded by the next one", str(len(cut)))
    tally.note(SECTION, "runs recorded around these restarts, each once", f"{len(found.runs):,}")


def test_a_restart_in_the_middle_of_a_transaction_takes_all_of_it_back(fleet, postgres):
    """The rows are in the lake's transaction when the server ends it; the next refresh records the run."""
    fleet.wait(fleet.start("first", seconds=1))
    ledger = fleet.ledger("first")
    check = Turn.check

    def restart_first(held: Turn) -> None:
        postgres.restart()
        check(held)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Turn, "check", restart_first)
        with pytest.raises(StoreError):
            refresh_once(ledger, fleet.provider.url)
    refresh_once(ledger, fleet.provider.url)
    assert len(fleet.assert_sound().runs) == fleet.answered

"""Several writers of one lake, killed between any two steps and with a catalogue that restarts: every reader sees one
history, in which each committed price is once and in order."""

import random
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.faults.fleet import Fleet
from tests.faults.histories import History, Reader
from tests.faults.market import SKUS

START = datetime(2026, 11, 1, tzinfo=UTC)
SECTION = "Histories of several writers"
KILLS = 24
RESTARTS = 12


def entry(source: str, hour: int, usd: str = "2.5") -> tuple[str, datetime, str, Decimal]:
    return (source, START + timedelta(hours=hour), "a", Decimal(usd))


@pytest.mark.parametrize(
    ("views", "fault"),
    [
        ([[entry("x", 1), entry("x", 2)], [entry("x", 2)]], "lost"),
        ([[entry("x", 1), entry("x", 1)]], "there twice"),
        ([[entry("x", 2), entry("x", 1)]], "out of order"),
        ([[entry("x", 2)], [entry("x", 1), entry("x", 2)]], "shown after what came later"),
        (
            [[entry("x", 2)], [entry("x", 2), entry("y", 1)], [entry("x", 2), entry("y", 1), entry("x", 3)]],
            "",
        ),
    ],
)
def test_the_checker_knows_a_broken_history(views, fault):
    history = History("reader")
    for view in views:
        history.see(view)
    assert [fault in found for found in history.faults] == ([True] if fault else [])


@pytest.fixture
def fleet(postgres, tmp_path):
    made = Fleet(postgres, tmp_path)
    yield made
    made.close()


@pytest.mark.shared_store
@pytest.mark.faults
@pytest.mark.parametrize("disturbed_by", ["kills", "restarts"])
def test_every_reader_sees_one_history(fleet, postgres, tally, disturbed_by):
    chance = random.Random(f"histories {disturbed_by}")
    fleet.wait(fleet.start("writer-0", seconds=1, own=("source-0",)))
    readers = [Reader(f"reader-{number}", fleet.ledger(f"reader-{number}")) for number in range(2)]
    for reader in readers:
        reader.start()
    if disturbed_by == "kills":
        kills = kill_between_steps(fleet, chance)
        tally.note(SECTION, "writers killed by SIGKILL between two of their steps", str(kills))
    else:
        restart_often(fleet, postgres, chance)
        tally.note(
            SECTION, "restarts of PostgreSQL while three writers and two readers worked", str(RESTARTS)
        )
    for number in range(3):
        fleet.wait(fleet.start(f"writer-{number}", seconds=2, own=(f"source-{number}",)))
    committed = fleet.assert_sound()
    histories = [reader.end() for reader in readers]
    assert [fault for history in histories for fault in history.faults] == []
    for history in histories:
        assert len(history.entries) == len(committed.prices) == len(SKUS) * len(committed.runs)
        assert history.views > 5
    assert histories[0].entries == histories[1].entries
    tally.note(
        SECTION,
        f"prices, each once and in order in every view of both readers ({disturbed_by})",
        f"{len(committed.prices):,} in {sum(history.views for history in histories)} views",
    )


def kill_between_steps(fleet: Fleet, chance: random.Random) -> int:
    """Each writer ends itself at a step of its own choosing; the next one of that name goes on in its home."""
    kills = 0
    while kills < KILLS:
        started = [
            fleet.start(
                f"writer-{number}",
                seconds=60,
                own=(f"source-{number}",),
                pause=0,
                kill_at=chance.randint(1, 900),
            )
            for number in range(3)
        ]
        kills += sum(fleet.wait(machine) == -9 for machine in started)
    return kills


def restart_often(fleet: Fleet, postgres, chance: random.Random) -> None:
    for number in range(3):
        fleet.start(f"writer-{number}", seconds=RESTARTS * 5, own=(f"source-{number}",), pause=0)
    for _ in range(RESTARTS):
        time.sleep(chance.uniform(2, 5))
        postgres.restart()
    fleet.wait()

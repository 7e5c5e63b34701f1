"""Two refreshes of one source at once, and clocks that are set back or leap."""

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import count

import httpx
import pytest

from gpuledger.core.store.database import turn_of_source
from gpuledger.flows.audit import audit_ledger
from gpuledger.flows.pipeline import refresh_sources
from gpuledger.flows.replay import repair
from tests.faults.cases import first_quick
from tests.faults.hostile import plain
from tests.faults.market import SKUS, listing
from tests.faults.soundness import assert_archive_recorded, assert_replay_agrees, committed


def numbered(trial, *, late: float = 0.0):
    """Every request gets prices that no other got, some after a pause."""
    numbers = count(1000)

    def behave(connection, path, headers, over):
        number = next(numbers)
        over.wait(late * (number % 3))
        connection.sendall(plain(listing(number)))

    trial.provider.behave = behave


def at_once(trial, refreshes: int) -> list[str]:
    """Refresh from as many threads, each with a client of its own, as two programs would."""
    outcomes: list[str] = []

    def one() -> None:
        with httpx.Client() as client:
            fetcher = replace(trial.fetcher, client=client)
            outcomes.extend(
                run.outcome for run in refresh_sources(trial.ledger, trial.ledger.sources, fetcher).runs
            )

    threads = [threading.Thread(target=one) for _ in range(refreshes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("minutes", [0, -3])
@pytest.mark.recovery
def test_two_refreshes_of_one_source_at_once_are_both_recorded_in_order(trial, minutes):
    """The clock stands still, or was set back: their runs still have names and times of their own."""
    trial.good()
    trial.clock.forward(minutes=minutes)
    numbered(trial, late=0.05)
    at_once(trial, 2)
    found = committed(trial.ledger)
    assert len(found.runs) == 3
    assert_archive_recorded(trial.ledger, found)
    assert_replay_agrees(trial.ledger)


@pytest.mark.faults
def test_many_refreshes_of_one_source_at_once(trial, tally):
    trial.good()
    numbered(trial, late=0.01)
    for _ in range(10):
        at_once(trial, 8)
    found = committed(trial.ledger)
    assert len(found.runs) == 81
    assert len(found.prices) == 81 * len(SKUS)
    assert_archive_recorded(trial.ledger, found)
    assert_replay_agrees(trial.ledger)
    tally.note("Together", "refreshes of one source, eight at a time", "80")


def test_a_source_that_is_being_read_is_waited_for_and_then_left_out(trial, monkeypatch):
    import gpuledger.flows.pipeline

    trial.good()
    impatient = lambda home, name: turn_of_source(home, name, wait_seconds=0.05)  # noqa: E731
    monkeypatch.setattr(gpuledger.flows.pipeline, "turn_of_source", impatient)
    with turn_of_source(trial.ledger.home, "runpod"):
        (run,) = trial.refresh().runs
    assert run.outcome == "skipped"
    assert "another refresh of runpod has held" in run.error
    trial.good()


STEPS = {
    # a refresh is an hour after the last one, by its own clock
    "four minutes back": timedelta(hours=-1, minutes=-4),
    "a second back": timedelta(seconds=-1),
    "a day ahead": timedelta(days=1),
    "a year ahead": timedelta(days=365),
}


BACK = {
    "hours back": timedelta(hours=-3),
    "a year back": timedelta(days=-365),
    "before the epoch": timedelta(days=-365 * 60),
}


@pytest.mark.parametrize("step", first_quick(BACK))
@pytest.mark.recovery
def test_a_clock_that_goes_back_far_writes_nothing_until_the_ledger_is_repaired_or_it_is_right(trial, step):
    """A run that began in the future leaves no true time for the next one."""
    for _ in range(2):
        trial.good()
    before = committed(trial.ledger)
    now = trial.clock.now
    trial.clock.now += BACK[step]
    (run,) = trial.refresh().runs
    assert run.outcome == "failed"
    assert "ahead of the clock" in run.error
    assert committed(trial.ledger) == before
    trial.clock.now = now
    trial.good()
    trial.assert_survived(before)


@pytest.mark.recovery
def test_what_was_dated_ahead_is_set_aside_by_one_command(trial):
    trial.good()
    kept = committed(trial.ledger)
    trial.clock.forward(days=3)
    for _ in range(2):
        trial.good()
    trial.clock.forward(days=-3, hours=-1)
    assert trial.refresh().runs[0].outcome == "failed"
    report = repair(trial.ledger)
    assert len(report.set_aside) == 2
    assert committed(trial.ledger) == kept
    trial.good()
    assert audit_ledger(trial.ledger).of_state("broken") == ()
    assert repair(trial.ledger).set_aside == ()


@pytest.mark.parametrize("step", first_quick(STEPS))
@pytest.mark.recovery
def test_a_clock_that_jumps_keeps_every_price_and_their_order(trial, step):
    for _ in range(2):
        trial.good()
    before = committed(trial.ledger)
    trial.clock.now += STEPS[step]
    for _ in range(2):
        trial.good()
    after = trial.assert_survived(before)
    numbers = {price: place for place, price in enumerate(sorted({price[3] for price in after.prices}))}
    times = [
        price[2] for price in sorted(after.prices, key=lambda price: numbers[price[3]]) if price[1] == "a"
    ]
    assert times == sorted(times), "a later observation has an earlier time"
    assert len(times) == 5

"""Interruptions of spot capacity: expectation against simulation, limits, and real traces of
availability."""

import json
import math
import os
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from gpuledger.core.cost.spot import (
    Interruptions,
    break_even_rate,
    expectation,
    optimal_interval,
    p90_hours,
    rate_from_monthly_share,
    schedule,
)

RUNS = 10_000
# useful hours, interruptions per hour, hours to write a checkpoint, hours to restart
JOBS = [
    (10, 0.01, 0.05, 0.2),
    (100, 0.01, 0.05, 0.2),
    (100, 0.30, 0.05, 0.2),
    (24, 0.35, 0.02, 0.2),
    (50, 1.00, 0.02, 0.2),
    (5, 0.02, 0.01, 0.3),
]


def rate_from_availability(states: Sequence[bool], gap_hours: float) -> float | None:
    """Losses per available hour in evenly spaced observations; `None` if it was never available."""
    available = sum(states) * gap_hours
    losses = sum(1 for before, after in pairwise(states) if before and not after)
    return losses / available if available else None


def job(rate: float, write: float = 0.05, restart: float = 0.2, every: float | None = None) -> Interruptions:
    return Interruptions(
        rate_per_hour=rate,
        checkpoint_write_hours=write,
        restart_hours=restart,
        checkpoint_interval_hours=every,
    )


def simulated(useful: float, of: Interruptions, runs: int = RUNS) -> list[float]:
    """Hours of that many jobs, interrupted at random and restarted from the last checkpoint; sorted."""
    chance = random.Random(20_221_026)
    cut = schedule(useful, of)
    parts = [cut.part_hours] * (cut.parts - 1) + [cut.last_hours]
    found = []
    for _ in range(runs):
        hours = 0.0
        for part in parts:
            while (lost := chance.expovariate(of.rate_per_hour)) < part:
                hours += lost
                while (again := chance.expovariate(of.rate_per_hour)) < of.restart_hours:
                    hours += again
                hours += of.restart_hours
            hours += part
        found.append(hours)
    return sorted(found)


@pytest.mark.parametrize("row", JOBS, ids=str)
def test_the_expectation_agrees_with_ten_thousand_runs_within_one_percent(row):
    useful, rate, write, restart = row
    runs = simulated(useful, job(rate, write, restart))
    assert expectation(useful, job(rate, write, restart)).expected_hours == pytest.approx(
        sum(runs) / RUNS, rel=0.01
    )
    assert p90_hours(useful, job(rate, write, restart)) == pytest.approx(runs[RUNS * 9 // 10], rel=0.015)


def test_a_rate_of_zero_gives_the_hours_of_on_demand():
    found = expectation(100.0, job(0.0, every=1.0))
    assert (found.expected_hours, found.interruptions, p90_hours(100.0, job(0.0))) == (100.0, 0.0, 100.0)


@pytest.mark.parametrize("useful", [0.5, 7.3, 100.0, 5000.0])
def test_hours_rise_with_the_rate(useful):
    rates = [0.0] + [10 ** (power / 8) for power in range(-40, 9)]
    hours = [expectation(useful, job(rate)).expected_hours for rate in rates]
    assert all(low < high for low, high in pairwise(hours))


def test_the_interval_is_near_youngs_for_short_writes():
    young = math.sqrt(2 * 0.01 / 0.02)
    assert optimal_interval(0.01, 0.02) == pytest.approx(young, rel=0.01)


def test_the_interval_of_the_schedule_costs_no_more_than_its_neighbours():
    best = expectation(200.0, job(0.05)).expected_hours
    interval = expectation(200.0, job(0.05)).interval_hours
    for factor in (0.5, 0.8, 1.25, 2.0):
        assert best <= expectation(200.0, job(0.05, every=interval * factor)).expected_hours


def test_a_given_interval_is_kept_to():
    found = schedule(10.0, job(0.1, every=2.0))
    assert (found.parts, found.last_hours) == (5, 2.0)


def test_a_part_that_never_ends_takes_for_ever():
    assert math.isinf(expectation(1000.0, job(5.0, every=1000.0)).expected_hours)


def test_at_the_break_even_rate_spot_takes_as_many_dollars_as_on_demand():
    rate = break_even_rate(100.0, job(0.0), price_ratio=0.4)
    assert expectation(100.0, job(rate)).expected_hours * 0.4 == pytest.approx(100.0, rel=1e-6)
    assert break_even_rate(100.0, job(0.0), price_ratio=1.1) == 0.0


def test_a_monthly_share_becomes_an_hourly_rate():
    assert math.exp(-rate_from_monthly_share(0.05) * 730) == pytest.approx(0.95)
    assert rate_from_monthly_share(1.0) < 0.005


def test_losses_are_counted_per_available_hour():
    states = [True, True, False, False, True, False, True, True]
    assert rate_from_availability(states, gap_hours=0.5) == pytest.approx(2 / 2.5)
    assert rate_from_availability([False, False], gap_hours=1.0) is None


def replayed(states: list[bool], gap: float, useful: float, of: Interruptions, start: int) -> float | None:
    """Running hours of a job that follows a trace from observation `start` on; waiting is not running."""
    cut = schedule(useful, of)
    parts, done, running, at = cut.parts, 0, 0.0, start
    progress, restarting = 0.0, 0.0
    while at < len(states):
        if not states[at]:
            progress, restarting, at = 0.0, of.restart_hours, at + 1
            continue
        left = gap
        while left > 1e-12:
            if restarting > 0:
                step = min(left, restarting)
                restarting -= step
            else:
                length = cut.last_hours if done == parts - 1 else cut.part_hours
                step = min(left, length - progress)
                progress += step
                if progress >= length - 1e-12:
                    done, progress = done + 1, 0.0
            running, left = running + step, left - step
            if done == parts:
                return running
        at += 1
    return None


def traces() -> list[Path]:
    named = os.environ.get("GPULEDGER_HISTORY")
    truth = os.environ.get("GPULEDGER_TRUTH")
    folder = Path(named) if named else Path(truth).parent / "history" if truth else None
    return sorted(folder.glob("aws_spot_availability_2022_2023/*.json")) if folder else []


def test_the_model_agrees_with_jobs_replayed_over_real_availability():
    """Mean running hours of jobs started all over a trace, against the expectation at the trace's own
    rate.

    Real losses come in bursts and not as a Poisson process; each trace is within a tenth all the same, and
    all together are within 2 percent.
    """
    found = traces()
    if not found:
        pytest.skip("GPULEDGER_TRUTH or GPULEDGER_HISTORY is not set: no availability traces")
    assert len(found) >= 10
    ratios = []
    for path in found:
        content = json.loads(path.read_text())
        states, gap = [bool(state) for state in content["data"]], content["metadata"]["gap_seconds"] / 3600
        rate = rate_from_availability(states, gap)
        assert rate is not None
        of = job(rate, write=0.02, restart=0.1)
        starts = [i for i in range(0, len(states) * 3 // 4, len(states) // 150) if states[i]]
        runs = [hours for i in starts if (hours := replayed(states, gap, 8.0, of, i)) is not None]
        assert len(runs) >= 10, path.name
        ratios.append(expectation(8.0, of).expected_hours / (sum(runs) / len(runs)))
    assert all(0.9 < ratio < 1.1 for ratio in ratios), ratios
    assert 0.98 < math.exp(sum(map(math.log, ratios)) / len(ratios)) < 1.02, ratios

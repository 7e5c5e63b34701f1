"""What interruptions of spot capacity cost in hours: interval between checkpoints, expected and p90
hours.

Interruptions come as a Poisson process; a job stops when any of its instances does. Hours are floats;
nothing here knows a price. Sources: Young 1974, "A first order approximation to the optimum checkpoint
interval"; Daly 2006, "A higher order estimate of the optimum checkpoint interval for restart dumps",
equations 13 and 37.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from gpuledger.core.money import HOURS_PER_MONTH

_MOST_MEANINGFUL = 700.0
"""Exponent beyond which a float overflows; such a job never ends."""
_Z90 = 1.2815515655446004
_ROOT_OF_PI = math.sqrt(math.pi)


@dataclass(frozen=True, kw_only=True)
class Interruptions:
    """How often, and what each one costs."""

    rate_per_hour: float
    """Interruptions of the whole job per hour of running."""
    checkpoint_write_hours: float
    """Training stands still so long for each checkpoint."""
    restart_hours: float
    """From the loss of an instance to the first new step."""
    checkpoint_interval_hours: float | None = None
    """As the user fixes it; `None` is Daly's optimum."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a job of given useful hours comes to."""

    expected_hours: float
    interval_hours: float
    """Useful hours between two checkpoints."""
    interruptions: float
    """Expected count, those during a restart included."""


def job_rate(rate_per_instance_hour: float, instances: int) -> float:
    """Interruptions per hour of a job that needs all its instances at once."""
    return rate_per_instance_hour * instances


def rate_from_monthly_share(share: float) -> float:
    """Rate per instance-hour at which `share` (0 to 1) of instances is lost within a month of 730 hours."""
    # an open band such as "more than 20 percent" says nothing about its end; 95 percent bounds it
    return -math.log1p(-min(share, 0.95)) / float(HOURS_PER_MONTH)


def optimal_interval(write_hours: float, rate_per_hour: float) -> float:
    """Useful hours between checkpoints that cost least in expectation; infinite without interruptions.

    Daly 2006, equation 37: near Young's sqrt(2 x write / rate) while writing is short, the mean time
    between interruptions once writing takes twice as long as that.
    """
    if rate_per_hour <= 0:
        return math.inf
    mean = 1 / rate_per_hour
    if write_hours >= 2 * mean:
        return mean
    root = math.sqrt(write_hours / (2 * mean))
    return max(math.sqrt(2 * write_hours * mean) * (1 + root / 3 + root * root / 9) - write_hours, 1e-6)


class Schedule(NamedTuple):
    """A job cut into equal parts by its checkpoints; the last part needs no write."""

    parts: int
    part_hours: float
    """Running hours of every part but the last: its share of the work and the write."""
    last_hours: float

    @property
    def undisturbed_hours(self) -> float:
        return (self.parts - 1) * self.part_hours + self.last_hours


def schedule(useful_hours: float, job: Interruptions) -> Schedule:
    """The job cut at the interval that the user fixes, else at the whole number of parts that costs
    least."""
    if _is_undisturbed(useful_hours, job):
        return Schedule(parts=1, part_hours=useful_hours, last_hours=useful_hours)
    interval = job.checkpoint_interval_hours or optimal_interval(
        job.checkpoint_write_hours, job.rate_per_hour
    )
    parts = useful_hours / max(interval, useful_hours / 1e6)
    if job.checkpoint_interval_hours:
        return _cut(useful_hours, math.ceil(parts - 1e-9), job)
    # Daly's interval rarely divides the job; the least of its neighbours makes the cost rise with the rate
    around = [_cut(useful_hours, count, job) for count in range(max(1, int(parts) - 1), int(parts) + 3)]
    return min(around, key=lambda cut: _losses(cut, job))


def _is_undisturbed(useful_hours: float, job: Interruptions) -> bool:
    """No interruption in a million million such jobs."""
    return job.rate_per_hour * useful_hours <= 1e-12


def _cut(useful_hours: float, parts: int, job: Interruptions) -> Schedule:
    part = useful_hours / parts
    return Schedule(parts=parts, part_hours=part + job.checkpoint_write_hours, last_hours=part)


def _losses(at: Schedule, job: Interruptions) -> float:
    """Expected losses of running parts, restarts apart: sum of e^(rate x part) - 1."""
    if job.rate_per_hour * (at.part_hours + job.restart_hours) > _MOST_MEANINGFUL:
        return math.inf
    return (at.parts - 1) * math.expm1(job.rate_per_hour * at.part_hours) + math.expm1(
        job.rate_per_hour * at.last_hours
    )


@lru_cache(maxsize=4096)
def expectation(useful_hours: float, job: Interruptions) -> Expectation:
    """Expected running hours, restarts and lost work included; exact for the process described above.

    Daly 2006, equation 13, part by part. Infinite where a part is so long that it is never finished.
    """
    at = schedule(useful_hours, job)
    rate = job.rate_per_hour
    if _is_undisturbed(useful_hours, job):
        return Expectation(expected_hours=useful_hours, interval_hours=useful_hours, interruptions=0.0)
    restarts = math.exp(min(rate * job.restart_hours, _MOST_MEANINGFUL))
    losses = _losses(at, job)
    return Expectation(
        expected_hours=losses * restarts / rate, interval_hours=at.last_hours, interruptions=losses * restarts
    )


def expected_loss_hours(rate_per_hour: float, part_hours: float) -> float:
    """Work lost by one interruption within a part: near half of it while interruptions are rare."""
    x = rate_per_hour * part_hours
    if x < 1e-4:
        return part_hours / 2
    return 1 / rate_per_hour - part_hours / math.expm1(x)


@lru_cache(maxsize=4096)
def p90_hours(useful_hours: float, job: Interruptions) -> float:
    """Running hours that nine of ten such jobs stay within.

    A part is lost a geometric number of times; the losses of all parts are negative binomial, and what they
    cost together is taken as normal. Within 1.5 percent of simulation.
    """
    mean = expectation(useful_hours, job).expected_hours
    if _is_undisturbed(useful_hours, job) or math.isinf(mean):
        return mean
    at = schedule(useful_hours, job)
    rate, restart, undisturbed = job.rate_per_hour, job.restart_hours, at.undisturbed_hours
    losses = _losses(at, job)
    each = (mean - undisturbed) / losses
    spread = _loss_variance(rate, at.part_hours) + _restart_variance(rate, restart)
    survives = math.exp(-rate * at.part_hours)
    if losses > 200:
        # many losses: the sum is normal by the central limit theorem
        return mean + _Z90 * math.sqrt(losses / survives * each * each + losses * spread)
    weights = _loss_counts(at.parts, survives)
    # weight, mean and root of twice the variance of the hours that so many losses cost
    costs = [(weight, count * each, math.sqrt(2 * count * spread)) for count, weight in enumerate(weights)]
    most = (len(weights) + 4) * (at.part_hours + restart * 8 + math.sqrt(spread))
    return undisturbed + _share_within(0.9, costs, most)


def _share_within(share: float, costs: Sequence[tuple[float, float, float]], most: float) -> float:
    """The hours that a share of jobs stays within, by Newton's steps, and by halves where those lead away.

    Args:
        costs: weight, mean and width of each normal distribution that makes up the whole.
        most: no fewer hours than that share needs.
    """
    low, high = 0.0, most
    if sum([weight * _normal(low, mean, width) for weight, mean, width in costs]) >= share:
        return low
    middle = high / 2
    for _ in range(100):
        reached = slope = 0.0
        for weight, mean, width in costs:
            reached += weight * _normal(middle, mean, width)
            if width > 0:
                slope += weight * math.exp(-(((middle - mean) / width) ** 2)) / (width * _ROOT_OF_PI)
        low, high = (middle, high) if reached < share else (low, middle)
        following = middle - (reached - share) / slope if slope > 0 else high
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - middle) <= 1e-13 * most:
            return following
        middle = following
    return high


def _loss_counts(segment_count: int, survives: float) -> list[float]:
    """Probabilities of 0, 1, 2 ... losses before that many segments have survived; up to a rest of 1e-6."""
    weights = [math.exp(segment_count * math.log(survives))] if survives > 0 else [0.0]
    total = weights[0]
    while total < 1 - 1e-6 and len(weights) < 4000:
        count = len(weights)
        weights.append(weights[-1] * (1 - survives) * (segment_count + count - 1) / count)
        total += weights[-1]
    return weights


def _normal(distance: float, mean: float, width: float) -> float:
    """Share of a normal distribution below a distance; its width is the root of twice its variance."""
    if width <= 0:
        return 1.0 if distance >= mean else 0.0
    return 0.5 * math.erfc((mean - distance) / width)


def _loss_variance(rate: float, segment_hours: float) -> float:
    """Variance of the hours lost in a segment that is lost: an exponential cut off at its length."""
    x = rate * segment_hours
    if x < 1e-4:
        return segment_hours**2 / 12
    return 1 / rate**2 - segment_hours**2 * math.exp(-x) / math.expm1(-x) ** 2


def _restart_variance(rate: float, restart_hours: float) -> float:
    """Variance of the time until one restart went through undisturbed."""
    x = rate * restart_hours
    if x < 1e-4:
        return rate * restart_hours**3 / 3
    return (math.exp(2 * x) - 2 * x * math.exp(x) - 1) / rate**2


def break_even_rate(useful_hours: float, job: Interruptions, price_ratio: float) -> float:
    """Rate of the whole job above which on-demand is cheaper; infinite where it never is, 0 where it
    always is.

    Args:
        price_ratio: spot price over on-demand price.
    """
    if price_ratio >= 1:
        return 0.0
    target = useful_hours / price_ratio

    def hours(rate: float) -> float:
        return expectation(useful_hours, replace(job, rate_per_hour=rate)).expected_hours

    low, high = 0.0, 1e-6
    while hours(high) < target:
        low, high = high, high * 2
        if high > 1e6:
            return math.inf
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if hours(middle) < target else (low, middle)
    return high

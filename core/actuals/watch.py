"""Where a run is and what is to come, from its log alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gpuledger.core.actuals.run_log import Progress
from gpuledger.core.errors import UsageError

TENTH = 1.2816
LONGEST_PAUSE_SECONDS = 3600.0
"""Two lines further apart did not follow each other: nothing ran between them."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is known of a run beside its log."""

    gpus: int = 1
    usd_per_hour: float | None = None
    """Of all machines together."""
    tokens_per_step: float | None = None
    sequence_length: int | None = None
    steps: int | None = None
    tokens: float | None = None
    budget_usd: float | None = None
    planned_usd: float | None = None


def step_seconds(progress: Sequence[Progress], about: Watched) -> list[float]:
    """Seconds of one step, one figure per line that tells of it."""
    seconds = [one.step_seconds for one in progress if one.step_seconds]
    if seconds:
        return seconds
    dated = [(one.step, one.wall_time) for one in progress if one.wall_time is not None]
    between = [
        (at - before) / (step - earlier)
        for (earlier, before), (step, at) in pairwise(dated)
        if step > earlier and 0 < at - before < LONGEST_PAUSE_SECONDS
    ]
    if between:
        return between
    per_step = tokens_per_step(progress, about)
    rates = [rate for one in progress if (rate := _rate(one, about.gpus))]
    return [per_step / rate for rate in rates] if per_step else []


def tokens_per_step(progress: Sequence[Progress], about: Watched) -> float | None:
    """Tokens of one step on all accelerators: as told, or as the log implies it."""
    if about.tokens_per_step:
        return about.tokens_per_step
    counted = [one for one in progress if one.tokens and one.step]
    if counted:
        return (counted[-1].tokens or 0.0) / counted[-1].step
    sampled = [one for one in progress if one.samples and one.step]
    if sampled and about.sequence_length:
        return (sampled[-1].samples or 0.0) / sampled[-1].step * about.sequence_length
    for one in reversed(progress):
        rate = _rate(one, about.gpus)
        if rate and one.step_seconds:
            return rate * one.step_seconds
    return None


def _rate(one: Progress, gpus: int) -> float | None:
    if one.tokens_per_second:
        return one.tokens_per_second
    return one.tokens_per_second_per_gpu * gpus if one.tokens_per_second_per_gpu else None


def seconds_spent(progress: Sequence[Progress], each: float) -> float:
    """Seconds in which the run ran. Steps that were done again after a resumption were paid for again."""
    dated = [one.wall_time for one in progress if one.wall_time is not None]
    parts = [
        after - before for before, after in pairwise(dated) if 0 < after - before < LONGEST_PAUSE_SECONDS
    ]
    taken = progress[0].step * each
    for before, after in pairwise(progress):
        # a step that goes back is a part that begins anew
        taken += max(after.step - before.step, 0) * each
    return max(sum(parts) + progress[0].step * each if parts else taken, 0.0)


def watched(progress: Sequence[Progress], about: Watched) -> dict[str, Any]:
    """The last line of the log in dollars and hours.

    Raises:
        UsageError: the log does not say how fast the run is.
    """
    seconds = step_seconds(progress, about)
    if not seconds:
        raise UsageError(
            "LOG: does not say how long a step takes; give --tokens-per-step, or a log with times"
        )
    recent = seconds[-100:]
    each = statistics.fmean(recent)
    last, per_step = progress[-1], tokens_per_step(progress, about)
    steps = about.steps or next((one.steps for one in reversed(progress) if one.steps), None)
    if steps is None and about.tokens and per_step:
        steps = round(about.tokens / per_step)
    spent = seconds_spent(progress, each)
    logged = max((one.usd_spent for one in progress if one.usd_spent), default=None)
    usd = None if about.usd_per_hour is None else spent / 3600 * about.usd_per_hour
    if logged is not None:
        usd = max(logged, usd or 0.0)
    low = mid = high = None
    if steps is not None:
        spread = statistics.stdev(recent) / each / len(recent) ** 0.5 if len(recent) > 2 else 0.1
        wide = TENTH * max(spread, 0.01)
        mid = max(steps - last.step, 0) * each / 3600
        low, high = mid / (1 + wide), mid * (1 + wide)
    tokens = last.tokens or (per_step * last.step if per_step else None)
    hourly = about.usd_per_hour
    total = None if usd is None or mid is None or hourly is None else usd + mid * hourly
    return {
        "step": last.step,
        "steps": steps,
        "tokens": tokens,
        "step_seconds": each,
        "tokens_per_second": per_step / each if per_step else _rate(last, about.gpus),
        "mfu": last.mfu,
        "hours": spent / 3600,
        "usd_spent": usd,
        "hours_to_finish": _case(low, mid, high),
        "usd_to_finish": None
        if hourly is None
        else _case(*(v if v is None else v * hourly for v in (low, mid, high))),
        "usd_projected": total,
        "usd_over_budget": None if total is None or about.budget_usd is None else total - about.budget_usd,
        "usd_over_plan": None if total is None or about.planned_usd is None else total - about.planned_usd,
        "tokens_per_usd": tokens / usd if tokens and usd else None,
    }


def _case(low: float | None, mid: float | None, high: float | None) -> dict[str, float | None] | None:
    return None if mid is None else {"low": low, "mid": mid, "high": high}

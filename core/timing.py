"""Is now a good time to buy: today's price among past days, where prices drift, what waiting did in the past.

Nothing here predicts. The answers are counts over recorded days. The interval of the trend is a bootstrap
over blocks of days, since the prices of neighbouring days are not independent (Künsch 1989, Annals of Statistics
17(3), section 2: moving blocks).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

WINDOWS = (30, 90, 365)
"""Days over which today's price is ranked."""
WAITS = (1, 2, 4, 8, 12, 26)
"""Weeks of waiting that are looked at."""
TREND_DAYS = 90
BLOCK_DAYS = 14
"""Prices move in steps weeks apart; a block must hold a step and the calm around it."""
DRAWS = 1000
LEAST_DAYS = 14
"""With fewer recorded days there is nothing to rank or to draw from."""


@dataclass(frozen=True, kw_only=True)
class Rank:
    """Where today's price stands among the days of a window; 0: cheaper than all of them."""

    days: int
    recorded_days: int
    share_cheaper: float | None
    """Share of the recorded days that were cheaper than today, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Mean change of the price per 30 days over the last 90, as a ratio to 1; 5 % to 95 % of the draws."""

    per_30_days: float
    low: float
    high: float
    days: int


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What waiting so many weeks did to the price, over all past days that had waited so long."""

    weeks: int
    days: int
    share_cheaper: float
    p10: float
    median: float
    p90: float
    """Change of the price as a ratio, negative is cheaper."""


def filled(prices: Mapping[date, Decimal]) -> list[float]:
    """One price per day, first to last; a day without a record keeps the price of the day before."""
    days = sorted(prices)
    if not days:
        return []
    found: list[float] = []
    day, last = days[0], 0.0
    while day <= days[-1]:
        last = float(prices[day]) if day in prices else last
        found.append(last)
        day += timedelta(days=1)
    return found


def rank(prices: Sequence[float], days: int) -> Rank:
    """Today's price, the last one, among the days before it."""
    before = prices[-days - 1 : -1]
    share = sum(price < prices[-1] for price in before) / len(before) if before else None
    return Rank(days=days, recorded_days=len(before), share_cheaper=share)


def trend(prices: Sequence[float]) -> Trend | None:
    """The drift of the last 90 days; `None` with fewer than 14."""
    recent = prices[-TREND_DAYS - 1 :]
    steps = [math.log(after / before) for before, after in pairwise(recent)]
    if len(steps) < LEAST_DAYS:
        return None
    # Seeded: the same question has the same answer.
    draw = random.Random(0)
    block = min(BLOCK_DAYS, len(steps))
    means: list[float] = []
    for _ in range(DRAWS):
        total, taken = 0.0, 0
        while taken < len(steps):
            start = draw.randrange(len(steps) - block + 1)
            part = steps[start : start + min(block, len(steps) - taken)]
            total, taken = total + sum(part), taken + len(part)
        means.append(total / taken)
    means.sort()
    monthly = [
        math.expm1(30 * mean) for mean in (sum(steps) / len(steps), means[DRAWS // 20], means[-DRAWS // 20])
    ]
    return Trend(per_30_days=monthly[0], low=monthly[1], high=monthly[2], days=len(steps))


def wait(prices: Sequence[float], weeks: int) -> Wait | None:
    """What waiting did; `None` where fewer than 14 past days had waited so long."""
    changes = sorted(after / before - 1 for before, after in zip(prices, prices[7 * weeks :], strict=False))
    if len(changes) < LEAST_DAYS:
        return None
    return Wait(
        weeks=weeks,
        days=len(changes),
        share_cheaper=sum(change < 0 for change in changes) / len(changes),
        p10=_quantile(changes, 0.1),
        median=_quantile(changes, 0.5),
        p90=_quantile(changes, 0.9),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]

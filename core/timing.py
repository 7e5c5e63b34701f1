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
from typing import Any

from gpuledger.core.errors import NoOfferError

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
    daily: list[float] = []
    day, last = days[0], 0.0
    while day <= days[-1]:
        last = float(prices[day]) if day in prices else last
        daily.append(last)
        day += timedelta(days=1)
    return daily


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


def timing(
    days: Sequence[Mapping[str, Any]], *, gpu_hours: float, weeks_left: int | None, what: str
) -> dict[str, Any]:
    """All of it for so many GPU-hours; money as decimals.

    Args:
        days: rows of the index, `price_date`, `usd_per_gpu_hour` and `provider`, oldest first.
        weeks_left: bounds the waits that are looked at.
        what: the prices' name, for messages.

    Raises:
        NoOfferError: too few recorded days.
    """
    if len(days) < LEAST_DAYS:
        raise NoOfferError(f"{what}: {len(days)} recorded days of prices, {LEAST_DAYS} are needed")
    prices = filled({row["price_date"]: row["usd_per_gpu_hour"] for row in days})
    first, today = days[0], days[-1]
    total = Decimal(str(gpu_hours)) * today["usd_per_gpu_hour"]
    drift = trend(prices)
    waits = [
        found
        for weeks in WAITS
        if weeks_left is None or weeks <= weeks_left
        if (found := wait(prices, weeks)) is not None
    ]
    years = Decimal((today["price_date"] - first["price_date"]).days) / Decimal("365.25")
    decline = None
    if years >= 1:
        decline = yearly_decline(first["usd_per_gpu_hour"], today["usd_per_gpu_hour"], years)
    return {
        "price_date": today["price_date"].isoformat(),
        "usd_per_gpu_hour": today["usd_per_gpu_hour"],
        "cheapest_provider": today["provider"],
        "gpu_hours": gpu_hours,
        "usd_total": total.quantize(Decimal("0.01")),
        "ranks": [vars(rank(prices, window)) for window in WINDOWS],
        "trend": None if drift is None else {name: round(value, 4) for name, value in vars(drift).items()},
        "yearly_decline": None if decline is None else round(float(decline), 4),
        "waits": [
            {
                **{name: round(value, 4) for name, value in vars(one).items()},
                "usd_median": (total * Decimal(str(one.median))).quantize(Decimal("0.01")),
            }
            for one in waits
        ],
    }


def yearly_decline(before: Decimal, after: Decimal, years: Decimal) -> Decimal:
    """Share by which a price falls each year, 0 to 1: 1 - (after / before) ^ (1 / years)."""
    return 1 - (after / before) ** (1 / years)

"""Is now a good time to buy: today's price among past days, where prices drift, what waiting did in the past.

Nothing here predicts. The answers are counts over recorded days. The interval of the trend is a bootstrap
over blocks of days, since the prices of neighbouring days are not independent (Künsch 1989, Annals of Statistics
17(3), section 2: moving blocks).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from gpuledger.core.count import counted
from gpuledger.core.errors import NoOfferError
from gpuledger.core.store.offers import LatestOffer

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


Series = Sequence[float | None]
"""The index day by day, oldest first; `None` on a day that was not published."""


def series(days: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """The index from its first published day to its last, of rows with `price_date`, `state` and `price_index`."""
    published = {row["price_date"]: float(row["price_index"]) for row in days if row["state"] == "published"}
    if not published:
        return []
    first, last = min(published), max(published)
    return [published.get(first + timedelta(offset)) for offset in range((last - first).days + 1)]


def rank(prices: Series, days: int) -> Rank:
    """The last price among the published days before it."""
    today = prices[-1]
    before = [price for price in prices[-days - 1 : -1] if price is not None]
    share = sum(price < today for price in before) / len(before) if before and today is not None else None
    return Rank(days=days, recorded_days=len(before), share_cheaper=share)


def trend(prices: Series) -> Trend | None:
    """The drift of the last 90 days; `None` with fewer than 14 published ones.

    Between two published days the change is spread evenly, so that a gap weighs as the days that it lasted.
    """
    recent = prices[-TREND_DAYS - 1 :]
    priced = [(place, price) for place, price in enumerate(recent) if price is not None]
    if len(priced) <= LEAST_DAYS:
        return None
    steps = [
        math.log(after / before) / (place - earlier)
        for (earlier, before), (place, after) in pairwise(priced)
        for _ in range(place - earlier)
    ]
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
    return Trend(per_30_days=monthly[0], low=monthly[1], high=monthly[2], days=len(priced) - 1)


def wait(prices: Series, weeks: int) -> Wait | None:
    """What waiting did; `None` where fewer than 14 past days had waited so long."""
    changes = sorted(
        after / before - 1
        for before, after in zip(prices, prices[7 * weeks :], strict=False)
        if before is not None and after is not None
    )
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


def days_of_index(rows: Sequence[Mapping[str, Any]], gpu_id: str | None) -> list[Mapping[str, Any]]:
    """Of the index of several accelerators the days of one: of the one that is bought where its newest chain has enough
    of them, else of the one that is published most often.

    Args:
        rows: of `gpu_price_index`, oldest first.
        gpu_id: what would be bought now.
    """
    by_gpu: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_gpu.setdefault(row["gpu_id"], []).append(row)
    own = by_gpu.get(gpu_id or "", [])
    if len(_published(own)) >= LEAST_DAYS or not by_gpu:
        return own
    return max(by_gpu.values(), key=lambda days: sum(row["state"] == "published" for row in days))


def _published(days: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The published days of the newest chain."""
    return [row for row in days if row["chain"] == days[-1]["chain"] and row["state"] == "published"]


def timing(
    days: Sequence[Mapping[str, Any]],
    offer: LatestOffer | None,
    *,
    at: datetime,
    gpu_hours: float,
    weeks_left: int | None,
    what: str,
) -> dict[str, Any]:
    """All of it for so many GPU-hours; money as decimals.

    How prices moved is read from the index, which compares each offer with itself only; what one pays is the
    cheapest offer of now, the one that `cheapest` names.

    Args:
        days: rows of `gpu_price_index` of one accelerator over all providers, oldest first.
        offer: what one would take at the moment `at`; `None` where nothing is on sale.
        weeks_left: bounds the waits that are looked at.
        what: the prices' name, for messages.

    Raises:
        NoOfferError: too few published days in the newest chain of the index, and why days are withheld; or nothing
            is on sale.
    """
    chain = [row for row in days if row["chain"] == days[-1]["chain"]] if days else []
    prices = series(chain)
    published = _published(days)
    if len(published) < LEAST_DAYS:
        reasons = Counter(row["reason"] for row in days if row["state"] == "withheld")
        why = f"; most days are withheld: {reasons.most_common(1)[0][0]}" if reasons else ""
        raise NoOfferError(
            f"{what}: {counted(len(published), 'published day')} of the index, {LEAST_DAYS} are needed{why}"
        )
    if offer is None or offer.usd_per_gpu_hour is None:
        raise NoOfferError(f"{what}: nothing is on sale now; lapsed prices are no price to wait from")
    total = Decimal(str(gpu_hours)) * offer.usd_per_gpu_hour
    drift = trend(prices)
    waits = [
        measured
        for weeks in WAITS
        if weeks_left is None or weeks <= weeks_left
        if (measured := wait(prices, weeks)) is not None
    ]
    first, last = published[0], published[-1]
    years = Decimal((last["price_date"] - first["price_date"]).days) / Decimal("365.25")
    decline = None
    if years >= 1:
        decline = yearly_decline(Decimal(first["price_index"]), Decimal(last["price_index"]), years)
    return {
        "price_date": offer.last_seen_at.date().isoformat(),
        "price_state": offer.price_state(at),
        "usd_per_gpu_hour": offer.usd_per_gpu_hour,
        "cheapest_provider": offer.provider,
        "gpu_id": offer.gpu_id,
        "index_gpu_id": last["gpu_id"],
        "note": None if last["gpu_id"] == offer.gpu_id else _of_another(offer.gpu_id, last["gpu_id"]),
        "index_date": last["price_date"].isoformat(),
        "published_days": len(published),
        "withheld": None if days[-1]["state"] == "published" else days[-1]["reason"],
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


def _of_another(gpu_id: str | None, index_gpu_id: str) -> str:
    return (
        f"the price is of {gpu_id}, whose index has too few published days; ranks, trend and waits are of"
        f" {index_gpu_id}"
    )


def yearly_decline(before: Decimal, after: Decimal, years: Decimal) -> Decimal:
    """Share by which a price falls each year, 0 to 1: 1 - (after / before) ^ (1 / years)."""
    return 1 - (after / before) ** (1 / years)

"""What a price may be relied on for at a time: the rule that docs/validity.md tells.

The same rule as sql/views/12_price_state.sql, which decides inside queries; a test holds both equal. This one
judges offers that are in memory: a lock file, owned machines, a batch. No import of the store: it must load at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Literal, get_args

PriceState = Literal["fresh", "stale", "unlisted", "sold_out", "lapsed", "recorded"]
ALL_STATES: tuple[str, ...] = get_args(PriceState)
RECORDED = "recorded"
LAPSED = "lapsed"
STATES = tuple(state for state in ALL_STATES if state != RECORDED)
"""The order in which prices may win, everywhere. `recorded`, about a past moment, counts as `fresh`."""

LAPSED_RANK = STATES.index(LAPSED)

DEFAULT_TARGET = timedelta(hours=48)
"""How long a price counts as fresh where the provider has no live source."""

LIST_HORIZON = timedelta(days=180)
"""How long a list price (on-demand, reserved, capacity block) counts as stale before it lapses."""

MARKET_HORIZON = timedelta(days=30)
"""The same of a market price: spot, community tier, marketplace."""

REMEMBERED = timedelta(days=400)
"""A lapsed price older than this is not even mentioned as cheaper."""

MARKETPLACES = frozenset({"vast", "tensordock", "salad", "clore", "akash"})
"""Providers whose prices many hosts set, each its own."""

EARLIEST_YEAR = 2006
"""Amazon EC2, the first cloud that rents by the hour, opened in August 2006."""

AHEAD = "seen more than a day after now"

LATEST_AHEAD = timedelta(days=1)
"""How far ahead of the clock an observation may lie: time zones, and a date without a time."""


def price_state(
    instant: datetime,
    *,
    is_recorded: bool | None,
    fresh_until: datetime,
    lapses_at: datetime | None,
    is_unlisted: bool,
    availability: str,
) -> str:
    """One of `STATES`, or `recorded`: the worst that applies."""
    if not is_recorded and lapses_at is not None and lapses_at < instant:
        return LAPSED
    if availability == "sold_out":
        return "sold_out"
    if is_unlisted:
        return "unlisted"
    if is_recorded:
        return RECORDED
    return "stale" if fresh_until < instant else "fresh"


def state_rank(state: str) -> int:
    """Place of a state in the order in which prices may win, 0 first."""
    return 0 if state == RECORDED else STATES.index(state)


def is_market_price(purchase_option: str, tier: str | None, provider: str) -> bool:
    """Whether the price moves with a market, so that it says little after a month."""
    return purchase_option == "spot" or tier == "community" or provider in MARKETPLACES


def horizon(purchase_option: str, tier: str | None, provider: str) -> timedelta:
    """How long after it was last seen a price lapses."""
    return MARKET_HORIZON if is_market_price(purchase_option, tier, provider) else LIST_HORIZON


def sells_count(
    gpu_count: Decimal, min_gpus: int | None, max_gpus: int | None, least: float | None, most: float | None
) -> bool:
    """Whether one order of the offer can have between `least` and `most` GPUs (`None`: no bound). An offer that
    is sold per GPU is ordered from `min_gpus` to `max_gpus` at once, any other in its own size."""
    low, high = float(gpu_count), float(gpu_count)
    if gpu_count == 1 and (max_gpus or 1) > 1:
        low, high = float(min_gpus or 1), float(max_gpus or 1)
    return (least is None or high >= least) and (most is None or low <= most)


def order_gpus(
    gpu_count: Decimal, min_gpus: int | None, max_gpus: int | None, least: float | None
) -> Decimal:
    """GPUs of the smallest order of the offer that has at least `least` (`None` does not matter): of one that is sold
    per GPU as many as asked for, of any other an instance's."""
    if gpu_count == 1 and (max_gpus or 1) > 1:
        return Decimal(max(min_gpus or 1, ceil(least or 1)))
    return gpu_count


def implausible_time(observed_at: datetime, now: datetime) -> str | None:
    """Why an observation cannot have been made then, or `None`."""
    if observed_at.year < EARLIEST_YEAR:
        return f"seen before {EARLIEST_YEAR}, when no cloud rented by the hour"
    if observed_at > now + LATEST_AHEAD:
        return AHEAD
    return None

"""Prices of a change list that the list itself, or its own neighbours, contradict: they stay out of the history.

A live source's claims are weighed as they come, against what was believed before. An archive is read whole, so what
came after is evidence too: a price of three days between two equal ones was never anybody's price.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from statistics import median

from tools.history.intervals import Interval

SHORT = timedelta(days=45)
"""A list price that holds for less, and that a large change takes back, is a slip: lists are read about weekly."""

LARGE = math.log(1.2)
EQUAL = math.log(1.05)
FAR = {False: (0.5, 2.5), True: (0.4, 3.0)}
"""Of the median of the same machine over all regions, by whether it is spot; the widest true spread of a list price
here is 2.1 (São Paulo)."""

LEAST_REGIONS = 4
MOST_OF_ON_DEMAND = 0.9
LEAST_OF_ON_DEMAND = 0.2
"""Of on demand: Google's commitments cost 0.37 to 0.71 of it."""

SPIKE = "a price of days between two equal ones"
TAKEN_BACK = "a first price that the list took back within 45 days"
FAR_OFF = "far from the same machine in other regions"
NOT_SOLD = "of a machine whose price in the region lacks its accelerator"
NO_DISCOUNT = "a commitment without a discount, or below a fifth of on demand"
LONGER_DEARER = "a commitment that costs as much as a shorter one"


def without_slips(intervals: Sequence[Interval]) -> tuple[list[Interval], dict[str, int]]:
    """The intervals that nothing contradicts, and how many were left out by reason."""
    kept, counts = list(intervals), dict[str, int]()
    for reason, find in (
        (SPIKE, _spikes),
        (TAKEN_BACK, _taken_back),
        (FAR_OFF, _far),
        (NOT_SOLD, _not_sold),
        (NO_DISCOUNT, _without_discount),
        (LONGER_DEARER, _longer_dearer),
    ):
        slips = {id(one) for one in find(kept)}
        kept = [one for one in kept if id(one) not in slips]
        if slips:
            counts[reason] = len(slips)
    return kept, counts


def _is_list_price(one: Interval) -> bool:
    return one.row["purchase_option"] != "spot"


def _distance(one: Interval, other: Interval) -> float:
    return abs(math.log(float(one.row["amount"]) / float(other.row["amount"])))


def _by_offer(intervals: Sequence[Interval]) -> Iterator[list[Interval]]:
    for _, group in groupby(intervals, key=lambda one: one.row["offer_id"]):
        offer = list(group)
        if _is_list_price(offer[0]):
            yield offer


def _spikes(intervals: Sequence[Interval]) -> Iterator[Interval]:
    for offer in _by_offer(intervals):
        for before, one, after in zip(offer, offer[1:], offer[2:], strict=False):
            if (
                after.seen_from - one.seen_from <= SHORT
                and _distance(before, after) < EQUAL
                and _distance(before, one) > LARGE
            ):
                yield one


def _taken_back(intervals: Sequence[Interval]) -> Iterator[Interval]:
    for offer in _by_offer(intervals):
        for one, after in pairwise(offer[:2]):
            if after.seen_from - one.seen_from <= SHORT and _distance(one, after) > LARGE:
                yield one


def _far(intervals: Sequence[Interval]) -> Iterator[Interval]:
    for group in _grouped(
        intervals, "sku", "gpu_count", "purchase_option", "term_months", "currency", "unit"
    ):
        low, high = FAR[group[0].row["purchase_option"] == "spot"]
        for one in group:
            others = [float(other.row["amount"]) for other in group if _holds_at(other, one.seen_from)]
            if len(others) >= LEAST_REGIONS and not low <= float(one.row["amount"]) / median(others) <= high:
                yield one


def _not_sold(intervals: Sequence[Interval]) -> Iterator[Interval]:
    """Archives that add parts up have a price for every region, also where only the processor is on sale: all that is
    left of such a machine there are commitments and spot without on demand."""
    for group in _grouped(intervals, "provider", "sku", "region"):
        options = {one.row["purchase_option"] for one in group}
        if group[0].row["provider"] == "gcp" and "on_demand" not in options:
            yield from group


def _without_discount(intervals: Sequence[Interval]) -> Iterator[Interval]:
    for group in _grouped(intervals, "sku", "region"):
        on_demand = [one for one in group if one.row["purchase_option"] == "on_demand"]
        for one in group:
            if one.row["purchase_option"] != "reserved":
                continue
            for other in on_demand:
                if _holds_at(other, one.seen_until) and not (
                    LEAST_OF_ON_DEMAND <= _hourly(one) / _hourly(other) <= MOST_OF_ON_DEMAND
                ):
                    yield one
                    break


def _longer_dearer(intervals: Sequence[Interval]) -> Iterator[Interval]:
    for group in _grouped(intervals, "sku", "region", "purchase_option"):
        for one in group:
            term = one.row["term_months"]
            if term is not None and any(
                other.row["term_months"] < term
                and _holds_at(other, one.seen_until)
                and _hourly(other) <= _hourly(one)
                for other in group
            ):
                yield one


def _grouped(intervals: Sequence[Interval], *names: str) -> Iterator[list[Interval]]:
    groups: dict[tuple[object, ...], list[Interval]] = defaultdict(list)
    for one in intervals:
        groups[tuple(one.row[name] for name in names)].append(one)
    yield from groups.values()


def _holds_at(one: Interval, instant: datetime) -> bool:
    return one.seen_from <= instant <= one.seen_until


def _hourly(one: Interval) -> Decimal:
    row: Mapping[str, Decimal | str] = one.row
    amount = row["amount"]
    assert isinstance(amount, Decimal)
    return amount / 730 if row["unit"] == "month" else amount

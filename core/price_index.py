"""The price index of one accelerator: chained from matched offers, one vote per provider (method version 2).

An average over whatever was read on a day moves when a provider is read that was not read the day before. This index
compares each offer with itself only. Of a provider, the median of its offers' changes is its vote of the day; the
index moves by the mean of the votes. What a provider did on days without a panel is added to its next vote, so that no
change is lost and none counts twice.

The index is a Jevons index over providers, chained day by day (ILO et al., Consumer Price Index Manual, 2020, chapter
8, geometric mean of relatives; chapter 9, chaining of matched items). The cap on a vote is a winsorised mean (Dixon
1960, Annals of Mathematical Statistics 31(2)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from statistics import median, quantiles
from typing import NamedTuple

from gpuledger.core.count import counted

METHOD_VERSION = 2
LEAST_PROVIDERS = {"spot": 2}
"""Votes without which a day is withheld; 3 for all other purchase options."""
VOTE_CAP = math.log(2.0)
"""A vote moves the index by at most this (natural logarithm) a day: half or double. AWS's cut of June 2025, -44 %, is
within it; a larger true move is spread over the next days, none of it is lost."""
MOST_DISPERSION = math.log(1.5)
"""Distance of the votes' quartiles (natural logarithm) beyond which providers do not tell of one market."""
LONGEST_GAP_DAYS = 180
"""A chain that was not published for longer is ended; the next day begins another."""


class ProviderDay(NamedTuple):
    """What one provider showed on one day, of offers that were fresh or recorded at its end. There are millions of them
    in a year, and they sort by day and provider."""

    day: date
    provider: str
    matched_offers: int
    """Offers that were fresh or recorded before as well; 0: the provider has no vote yet."""
    log_change: float
    """Median over the matched offers of ln(price / its price when last fresh or recorded)."""
    cheapest_usd_per_gpu_hour: Decimal | None
    """`None`: everything was sold out or unlisted all day."""


@dataclass(frozen=True, kw_only=True)
class IndexDay:
    """One day of the index. `state`: `published`, `withheld` (see `reason`) or `carried` (nothing was read)."""

    day: date
    state: str
    reason: str | None
    chain: int
    """Number of the chain; values of different chains are not comparable."""
    index: float | None
    """100 on the first published day of the chain; of the last published day on days that are not."""
    low: float | None
    high: float | None
    """Least and greatest index with any one provider left out from the start of the chain."""
    providers: int
    """Votes of the day."""
    matched_offers: int
    dispersion: float | None
    """Distance of the quartiles of the votes, natural logarithm."""
    floor_usd_per_gpu_hour: Decimal | None
    floor_provider: str | None
    """The cheapest on sale that day and whose; a new provider may lower it while the index stands."""
    median_usd_per_gpu_hour: Decimal | None
    """Median over providers of the cheapest of each."""
    usd_per_gpu_hour: Decimal | None = None
    """The index as a price: `median_usd_per_gpu_hour` of the chain's last published day, moved by the index."""


def chained(days: Iterable[ProviderDay], *, purchase_option: str) -> list[IndexDay]:
    """The index from its first to its last day, one row per day.

    Args:
        days: of one accelerator, purchase option and segment, in any order.
    """
    return _with_prices([chain.row() for chain in _walked(days, purchase_option)])


def index_on(days: Iterable[ProviderDay], day: date, *, purchase_option: str) -> IndexDay | None:
    """The index of one day: the row that `chained` has of it, but for its price, which follows from later days too;
    `None` where the series does not reach so far. The rows of all other days are not made, which halves the time.

    Args:
        days: of one accelerator, purchase option and segment, in any order.
    """
    return next((chain.row() for chain in _walked(days, purchase_option) if chain.day == day), None)


def _walked(days: Iterable[ProviderDay], purchase_option: str) -> Iterator[_Chain]:
    """The chain on each day from the first to the last."""
    by_day = {day: list(rows) for day, rows in groupby(sorted(days), key=itemgetter(0))}
    chain = _Chain(LEAST_PROVIDERS.get(purchase_option, 3))
    day, last = min(by_day, default=date.max), max(by_day, default=date.min)
    while day <= last:
        chain.step(day, by_day.get(day, []))
        yield chain
        day += timedelta(1)


class _Chain:
    """The state of the index between two days."""

    def __init__(self, least_providers: int) -> None:
        self.day = date.min
        self._least = least_providers
        self._number = 0
        self._start(None)

    def _start(self, day: date | None) -> None:
        self._number += 1 if day is not None else 0
        self._published = day
        self._log_index = 0.0
        self._pending: dict[str, float] = {}
        """Of each provider that was seen since the chain began: its change that no published day holds yet."""
        self._without: dict[str, float] = {}
        """The logarithm of the index with that provider left out."""

    def step(self, day: date, shown: Sequence[ProviderDay]) -> None:
        """Take one day; days come in order."""
        if self._published is not None and (day - self._published).days > LONGEST_GAP_DAYS:
            self._start(None)
        if not shown:
            # most days of an old series
            self.day, self._shown, self._votes = day, shown, {}
            self._state, self._reason, self._dispersion = "carried", "nothing was read", None
            return
        for row in shown:
            if row.matched_offers and row.provider in self._pending:
                self._pending[row.provider] += row.log_change
        votes = {row.provider: self._vote(row) for row in shown if self._can_vote(row)}
        dispersion = _dispersion(list(votes.values()))
        state, reason = "published", None
        if self._published is None:
            if len(shown) >= self._least:
                self._start(day)
            else:
                state, reason = "withheld", f"{counted(len(shown), 'provider')}, {self._least} needed"
        elif len(votes) < self._least:
            state = "withheld"
            reason = f"{counted(len(votes), 'provider')} with offers to compare, {self._least} needed"
        elif dispersion is not None and dispersion > MOST_DISPERSION:
            state = "withheld"
            span = math.exp(dispersion)
            reason = f"providers disagree: the middle half of their changes spans a factor of {span:.2f}"
        else:
            self._publish(day, votes)
        if self._published is not None:
            for row in shown:
                # one that is new to the chain changes nothing on the day it comes
                self._pending.setdefault(row.provider, 0.0)
        self.day, self._shown, self._votes = day, shown, votes
        self._state, self._reason, self._dispersion = state, reason, dispersion

    def _can_vote(self, row: ProviderDay) -> bool:
        return row.matched_offers > 0 and row.provider in self._pending

    def _vote(self, row: ProviderDay) -> float:
        return max(-VOTE_CAP, min(VOTE_CAP, self._pending[row.provider]))

    def _publish(self, day: date, votes: dict[str, float]) -> None:
        total = sum(votes.values())
        for provider in {*self._without, *votes}:
            others = len(votes) - (provider in votes)
            before = self._without.get(provider, self._log_index)
            change = (total - votes.get(provider, 0.0)) / others if others else 0.0
            self._without[provider] = before + change
        self._log_index += total / len(votes)
        self._published = day
        for provider, vote in votes.items():
            self._pending[provider] -= vote

    def row(self) -> IndexDay:
        """The index of the day that was taken last."""
        shown, votes = self._shown, self._votes
        begun = self._published is not None
        around = [self._log_index, *self._without.values()]
        there = [
            (row.cheapest_usd_per_gpu_hour, row.provider)
            for row in shown
            if row.cheapest_usd_per_gpu_hour is not None
        ]
        floor_usd, floor_provider = min(there, default=(None, None))
        return IndexDay(
            day=self.day,
            state=self._state,
            reason=self._reason,
            chain=self._number,
            index=100 * math.exp(self._log_index) if begun else None,
            low=100 * math.exp(min(around)) if begun else None,
            high=100 * math.exp(max(around)) if begun else None,
            providers=len(votes) if votes or self._state != "published" else len(shown),
            matched_offers=sum(row.matched_offers for row in shown if row.provider in votes),
            dispersion=self._dispersion,
            floor_usd_per_gpu_hour=floor_usd,
            floor_provider=floor_provider,
            median_usd_per_gpu_hour=(
                _money(median(usd for usd, _ in there)) if len(there) >= self._least else None
            ),
        )


def _dispersion(votes: list[float]) -> float | None:
    if len(votes) < 2:
        return None
    low, _, high = quantiles(votes, n=4, method="inclusive")
    return high - low


def _with_prices(rows: list[IndexDay]) -> list[IndexDay]:
    """Give every chain the price level of its last published day."""
    levels: dict[int, float] = {}
    for row in rows:
        if row.state == "published" and row.index and row.median_usd_per_gpu_hour:
            levels[row.chain] = float(row.median_usd_per_gpu_hour) / row.index
    return [
        replace(row, usd_per_gpu_hour=_money(Decimal(row.index * levels[row.chain])))
        if row.index is not None and row.chain in levels
        else row
        for row in rows
    ]


def _money(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("0.000001"))

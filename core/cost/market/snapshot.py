"""The market of a snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.market.offers import (
    ALIVE,
    Bounds,
    MarketFilter,
    OfferCandidate,
    Shape,
    Shelf,
    Stock,
    machine_of,
)
from gpuledger.core.cost.market.side_prices import SIDE_PRICE_QUERIES, SidePrices, SpotRate, UnitPrice
from gpuledger.core.store.offers import snapshot_number
from gpuledger.core.store.quote_offers import Quotable
from gpuledger.core.store.quote_rows import QuotableRows, ShapeNeeds

STALLS_KEPT = 8
"""Filters whose offers are kept for the next questions, some 3 MB for 60,000 offers each."""


class _Lazy(SidePrices):
    """Reads the lists when it is first asked for: most quotes need none."""

    def __init__(self, quotable: Quotable) -> None:
        super().__init__()
        self._quotable = quotable

    @cached_property
    def _stored(self) -> SidePrices:
        return SidePrices(
            storage=self._quotable.surrounding(SIDE_PRICE_QUERIES["storage"]),
            transfer=self._quotable.surrounding(SIDE_PRICE_QUERIES["transfer"]),
        )

    @cached_property
    def _reclaimed(self) -> SidePrices:
        return SidePrices(
            bands=self._quotable.surrounding(SIDE_PRICE_QUERIES["bands"]),
            losses=self._quotable.surrounding(SIDE_PRICE_QUERIES["losses"]),
        )

    def rows_for(self, places: Collection[tuple[str, str, str]]) -> dict[str, list[dict[str, Any]]]:
        stored, reclaimed = self._stored.rows_for(places), self._reclaimed.rows_for(places)
        return {name: stored[name] or reclaimed[name] for name in stored}

    def storage(self, provider: str, region: str, gb: Decimal) -> UnitPrice:
        return self._stored.storage(provider, region, gb)

    def transfer(self, provider: str, region: str, direction: str, gb: Decimal) -> UnitPrice | None:
        return self._stored.transfer(provider, region, direction, gb)

    def spot_rate(self, provider: str, instance_type: str, region: str, plan_rate: float | None) -> SpotRate:
        if plan_rate is not None:
            return super().spot_rate(provider, instance_type, region, plan_rate)
        return self._reclaimed.spot_rate(provider, instance_type, region, plan_rate)


class _Stalls(NamedTuple):
    """What is on sale under one filter from one time on."""

    since: datetime
    until: datetime | None
    """No price changes its state before; `None`: none ever does."""
    shelf: Shelf
    states: frozenset[int]
    """State classes of which there is an offer: planning a query for another costs 10 ms."""
    excluded: Mapping[str, int]
    rows: QuotableRows

    def hold(self, at: datetime) -> bool:
        """Whether everything has the same state at that time."""
        return at == self.since or (self.since < at and (self.until is None or at < self.until))


def _stalls(quotable: Quotable, key: str, at: datetime, cache: dict[str, Any] | None) -> _Stalls:
    """What is on sale, as an earlier question left it in the cache where that still holds."""
    earlier: _Stalls | None = None if cache is None else cache.get(key)
    if earlier is not None and earlier.hold(at):
        return earlier
    stall_rows = quotable.stall_rows()
    made = _Stalls(at, stall_rows.until, *_sorted_out(stall_rows.shapes), stall_rows.rows)
    if cache is not None:
        others = [name for name in list(cache) if name.startswith("stalls ") and name != key]
        for name in others[: max(len(others) + 1 - STALLS_KEPT, 0)]:
            cache.pop(name, None)
        cache[key] = made
    return made


def _sorted_out(shapes: Sequence[Mapping[str, Any]]) -> tuple[Shelf, frozenset[int], Mapping[str, int]]:
    """The shapes on sale, the states of their offers, and why the others are left out."""
    stocks: dict[Shape, Stock] = {}
    counts: Counter[str] = Counter()
    bits = 0
    for row in shapes:
        if row["excluded_because"] is not None:
            counts[row["excluded_because"]] += row["offers"] + row["lapsed"]
            continue
        bits |= row["states"]
        shape = Shape(
            provider=row["provider"],
            purchase_option=row["purchase_option"],
            gpu_id=row["gpu_id"],
            gpu_count=int(row["gpu_count"]),
            min_gpus=row["min_gpus"],
            max_gpus=row["max_gpus"],
            may_join=row["may_join"],
        )
        stocks[shape] = Stock(row["offers"], row["least"], machine_of(shape), row["shape_key"], row["lapsed"])
    states = frozenset(state for state in range(bits.bit_length()) if bits >> state & 1)
    return Shelf(stocks), states, counts


class LedgerMarket:
    """A snapshot's offers at one time under one filter.

    Args:
        connection: a snapshot from `gpuledger.core.store.publish.reading`.
        as_of: a past time, or `None` for the snapshot's own state.
        at: the time that ages are taken at, `as_of` or now.
        cache: what other quotes of this snapshot have read, and where this one leaves it.
    """

    def __init__(
        self,
        connection: Any,
        filter: MarketFilter,
        *,
        as_of: datetime | None = None,
        at: datetime,
        allow_stale: bool = False,
        cache: dict[str, Any] | None = None,
    ) -> None:
        self._snapshot = snapshot_number(connection)
        self._quotable = Quotable(
            connection,
            {
                "gpu_ids": filter.gpu_ids,
                "providers": filter.providers,
                "regions": tuple(region.lower() for region in filter.regions),
                "tiers": filter.tiers,
                "purchase_options": filter.purchase_options,
                "by_provider": ("true",) if filter.by_provider else (),
            },
            as_of=as_of,
            at=at,
            allow_stale=allow_stale,
            cache=cache,
        )
        # of a past time every reader numbers its rows anew
        shared = cache if as_of is None else None
        self._stalls = _stalls(self._quotable, f"stalls {allow_stale} {filter}", at, shared)
        self._surroundings = _Lazy(self._quotable)

    @property
    def snapshot(self) -> int:
        return self._snapshot

    @property
    def surroundings(self) -> SidePrices:
        return self._surroundings

    @property
    def shelf(self) -> Shelf:
        return self._stalls.shelf

    @property
    def _states(self) -> frozenset[int]:
        return self._stalls.states

    def excluded(self) -> Mapping[str, int]:
        return dict(self._stalls.excluded)

    def left_out(self) -> list[dict[str, Any]]:
        """Rows of sql/queries/quote_left_out.sql."""
        return self._quotable.left_out()

    def candidates(self, bounds: Bounds, states: Collection[int] = ALIVE) -> Iterator[OfferCandidate]:
        if self._states.isdisjoint(states):
            return
        for candidate in self._quotable.candidates(self._stalls.rows, self._needs(bounds), states):
            yield OfferCandidate(*candidate)

    def first_of_providers(
        self, bounds: Bounds, each: int, states: Collection[int] = ALIVE
    ) -> Iterator[OfferCandidate]:
        """As `candidates`, of every provider so many."""
        if self._states.isdisjoint(states):
            return
        text = self._bounds_text(bounds)
        if text:
            for misses, state, floor, offer in self._quotable.first_of_providers(text, states, each):
                yield OfferCandidate(misses, state, floor, offer)

    @cached_property
    def _keys(self) -> NDArray[np.uint64]:
        return np.array([stock.key for stock in self.shelf.stocks.values()], np.uint64)

    def _needs(self, bounds: Bounds) -> ShapeNeeds:
        contracted = np.full(len(bounds.is_open), np.nan)
        for place, usd in bounds.contracted.items():
            contracted[place] = float(usd)
        places = np.flatnonzero(bounds.is_open)
        return ShapeNeeds(
            key=self._keys[places],
            misses_deadline=bounds.misses_deadline[places],
            hours=bounds.hours[places],
            units=bounds.units[places],
            factor=bounds.factor[places],
            contracted=contracted[places],
        )

    def _bounds_text(self, bounds: Bounds) -> str:
        stocks = list(self.shelf.stocks.values())
        return "\n".join(
            _line(stocks[place].key, bounds, place) for place in np.flatnonzero(bounds.is_open).tolist()
        )


def _line(key: int, bounds: Bounds, place: int) -> str:
    """One line of the parameter `bounds` of sql/queries/quote_floor.sql."""
    contracted = bounds.contracted.get(place, "")
    late = int(bounds.misses_deadline[place])
    hours, units, factor = (float(column[place]) for column in (bounds.hours, bounds.units, bounds.factor))
    return f"{key},{late},{hours!r},{units!r},{factor!r},{contracted}"

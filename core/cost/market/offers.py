"""The offers that a quote may choose from: those of a snapshot, or a list (a lock file, owned machines, a
test).

A market answers in three steps, so that a quote over tens of thousands of offers reads only the few hundred
that can win: which shapes are on sale, then the offers of the shapes that a plan can use, least possible
total first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.provider import may_be_in
from gpuledger.core.store.offer_table import OfferTable, OfferTerms
from gpuledger.core.store.offers import LatestOffer
from gpuledger.core.validity import LAPSED_RANK, STATES, state_rank

ALIVE = tuple(range(LAPSED_RANK))
"""State classes that are ranked; lapsed prices are history."""
OLDER = (STATES.index("stale"), LAPSED_RANK)
"""State classes of prices that may be named as cheaper but older."""


@dataclass(frozen=True, kw_only=True)
class MarketFilter:
    """Which offers; empty does not filter. A region is a code, an ISO country or a continent (`eu`)."""

    gpu_ids: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    purchase_options: tuple[str, ...] = ()
    by_provider: bool = False
    """Whether shapes tell providers apart: only the user's own terms with one of them ask for that."""


class Machine(NamedTuple):
    """The part of a shape that physics knows: everything but who sells it and how."""

    gpu_id: str
    gpu_count: int
    min_gpus: int | None
    max_gpus: int | None
    may_join: bool


class Shape(NamedTuple):
    """What offers have in common that differ for a plan in their price alone."""

    provider: str
    """Empty where providers are not told apart."""
    purchase_option: str
    gpu_id: str
    gpu_count: int
    min_gpus: int | None
    max_gpus: int | None
    may_join: bool
    """Several instances of it may form one job."""


class Stock(NamedTuple):
    """The offers of a shape."""

    offers: int
    """Those that are not lapsed."""
    least: float
    """Where the cheapest per GPU-hour stands among all: 1e9 x state class + US dollars."""
    machine: Machine
    key: int = 0
    """Of the shape in a snapshot."""
    lapsed: int = 0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The least that a plan needs of each shape of a shelf, as columns, and what the user's own terms make
    of its price."""

    is_open: NDArray[np.bool_]
    """The plan runs on some number of it."""
    misses_deadline: NDArray[np.bool_]
    hours: NDArray[np.float64]
    """Least paid hours of one price unit (instances x hours)."""
    units: NDArray[np.float64]
    """Least instances."""
    factor: NDArray[np.float64]
    contracted: Mapping[int, Decimal]
    """US dollars per GPU-hour instead of the list price, by position on the shelf."""

    def per_hour(self, position: int, gpu_count: int) -> Bounds:
        """Of one shape alone, so that its offers come in the order of their price per GPU-hour."""
        only = np.arange(len(self.is_open)) == position
        return replace(
            self,
            is_open=only,
            misses_deadline=np.zeros(len(only), bool),
            hours=np.full(len(only), 1 / gpu_count),
            units=np.zeros(len(only)),
        )


class Shelf:
    """The shapes on sale as columns, made once for all plans that choose among them."""

    def __init__(self, stocks: Mapping[Shape, Stock]) -> None:
        self.stocks = stocks
        self.shapes = tuple(stocks)
        self.least = np.array([stock.least for stock in stocks.values()], float)
        self.offers = np.array([stock.offers for stock in stocks.values()], np.intp)
        self.lapsed = sum(stock.lapsed for stock in stocks.values())
        self.machines = tuple(sorted({stock.machine for stock in stocks.values()}, key=_machine_order))
        self._own = self._places(self.machines)

    def places(self, machines: tuple[Machine, ...]) -> NDArray[np.intp]:
        """Of each shape, the place of its machine among those."""
        return self._own if machines == self.machines else self._places(machines)

    def _places(self, machines: tuple[Machine, ...]) -> NDArray[np.intp]:
        number = {machine: place for place, machine in enumerate(machines)}
        return np.array([number[stock.machine] for stock in self.stocks.values()], np.intp)


def _machine_order(machine: Machine) -> tuple[str, int, int, int, bool]:
    least, most = machine.min_gpus or 0, machine.max_gpus or 0
    return machine.gpu_id, machine.gpu_count, least, most, machine.may_join


class OfferCandidate(NamedTuple):
    """An offer, and a lower bound of what it can come to."""

    misses_deadline: bool
    state_class: int
    floor_usd: float
    offer: LatestOffer


class Market(Protocol):
    """Where offers come from."""

    @property
    def snapshot(self) -> int: ...

    @property
    def surroundings(self) -> SidePrices: ...

    @property
    def shelf(self) -> Shelf:
        """Shapes on sale."""
        ...

    def excluded(self) -> Mapping[str, int]:
        """Offers left out, counted by reason."""
        ...

    def candidates(self, bounds: Bounds, states: Collection[int] = ALIVE) -> Iterator[OfferCandidate]:
        """Offers of the open shapes in some states by deadline, state and lower bound, the best first."""
        ...


class ListMarket:
    """A market in memory; the same answers as from a snapshot."""

    def __init__(
        self,
        offers: Sequence[LatestOffer] | OfferTable,
        market_filter: MarketFilter,
        *,
        at: datetime,
        allow_stale: bool = False,
        surroundings: SidePrices | None = None,
        snapshot: int = 0,
        excluded: Mapping[str, int] | None = None,
    ) -> None:
        self._by_shape: dict[Shape, dict[tuple[int, Decimal | None], list[_Entry]]] = {}
        counts = Counter(excluded or {})
        self._offers = offers
        for number, offer in enumerate(offers.terms() if isinstance(offers, OfferTable) else offers):
            reason = reason_to_exclude(offer, market_filter)
            if reason is not None:
                counts[reason] += 1
                continue
            state = state_class(offer, at, allow_stale=allow_stale)
            rows = self._by_shape.setdefault(shape_of(offer, by_provider=market_filter.by_provider), {})
            rows.setdefault((state, offer.term_months), []).append(_Entry.of(state, offer, number))
        for rows in self._by_shape.values():
            for entries in rows.values():
                entries.sort()
        self._excluded = counts
        self._surroundings = surroundings or SidePrices()
        self._snapshot = snapshot

    @property
    def snapshot(self) -> int:
        return self._snapshot

    @property
    def surroundings(self) -> SidePrices:
        return self._surroundings

    @property
    def shelf(self) -> Shelf:
        return self._shelf

    @cached_property
    def _shelf(self) -> Shelf:
        stock_by_shape: dict[Shape, Stock] = {}
        for shape, rows in self._by_shape.items():
            least = min(state * 1e9 + entries[0].usd_per_gpu_hour for (state, _), entries in rows.items())
            lapsed = sum(len(entries) for (state, _), entries in rows.items() if state == LAPSED_RANK)
            alive = sum(map(len, rows.values())) - lapsed
            stock_by_shape[shape] = Stock(alive, least, machine_of(shape), lapsed=lapsed)
        return Shelf(stock_by_shape)

    @cached_property
    def _states(self) -> frozenset[int]:
        return frozenset(state for rows in self._by_shape.values() for state, _ in rows)

    @cached_property
    def _rows(self) -> _Rows:
        return _Rows(self._by_shape)

    def excluded(self) -> Mapping[str, int]:
        return dict(self._excluded)

    def candidates(self, bounds: Bounds, states: Collection[int] = ALIVE) -> Iterator[OfferCandidate]:
        if self._states.isdisjoint(states):
            return
        # within a row the bound is the price times a constant, so each row is in order already; a row joins
        # the heap when its first offer is due
        rows = self._rows
        waiting = rows.due(bounds, states)
        following = next(waiting, None)
        heap: list[_Head] = []
        while heap or following is not None:
            while following is not None and (not heap or following[:3] <= heap[0][:3]):
                heapq.heappush(heap, following)
                following = next(waiting, None)
            misses_deadline, state, floor, _, row, position = heap[0]
            offer = self._offers[rows.entries[row][position].number]
            yield OfferCandidate(misses_deadline, state, floor, offer)
            if position + 1 < len(rows.entries[row]):
                heapq.heapreplace(heap, rows.head(row, position + 1, bounds))
            else:
                heapq.heappop(heap)


class _Entry(NamedTuple):
    """An offer with what orders it; the price and the term as floats, so that bounds are quick."""

    state: int
    usd_per_hour: float
    price_id: str
    number: int
    """Of the offer in its list."""
    term_hours: float
    usd_per_gpu_hour: float
    gpu_count: Decimal

    @staticmethod
    def of(state: int, offer: LatestOffer | OfferTerms, number: int) -> _Entry:
        assert offer.usd_per_hour is not None
        term_hours = float(offer.term_months or 0) * float(HOURS_PER_MONTH)
        usd, per_gpu = float(offer.usd_per_hour), float(offer.usd_per_gpu_hour or 0)
        return _Entry(state, usd, offer.price_id, number, term_hours, per_gpu, offer.gpu_count)


_Head = tuple[bool, int, float, str, int, int]
"""Misses the deadline, state class, lower bound, price id; then row and position. Price ids are unique, so
nothing after them is ever compared."""


class _Rows:
    """Offers of one shape, state and term in a row, by price; the first of each as columns."""

    def __init__(self, by_shape: Mapping[Shape, Mapping[tuple[int, Decimal | None], list[_Entry]]]) -> None:
        rows = [(place, row) for place, of_shape in enumerate(by_shape.values()) for row in of_shape.values()]
        self.entries = [row for _, row in rows]
        self._shape = np.array([place for place, _ in rows], np.intp)
        self._state = np.array([row[0].state for row in self.entries], np.intp)
        self._usd_per_hour = np.array([row[0].usd_per_hour for row in self.entries], float)
        self._term_hours = np.array([row[0].term_hours for row in self.entries], float)

    def due(self, bounds: Bounds, states: Collection[int]) -> Iterator[_Head]:
        """The first offer of each open row of those states, the best first."""
        is_asked = np.zeros(len(STATES), bool)
        is_asked[list(states)] = True
        at = np.flatnonzero(bounds.is_open[self._shape] & is_asked[self._state])
        shape, usd = self._shape[at], self._usd_per_hour[at]
        price = usd * bounds.factor[shape]
        for place, contracted in bounds.contracted.items():
            same = np.flatnonzero(shape == place)
            rows: list[int] = at[same].tolist()
            price[same] = [float(contracted * self.entries[row][0].gpu_count) for row in rows]
        floor = price * np.maximum(bounds.hours[shape], self._term_hours[at] * bounds.units[shape])
        for row in at[np.lexsort((floor, self._state[at], bounds.misses_deadline[shape]))].tolist():
            yield self.head(row, 0, bounds)

    def head(self, row: int, position: int, bounds: Bounds) -> _Head:
        """The offer at that place with the lower bound of its total: the price for the least hours, or for
        the whole commitment."""
        state, usd, price_id, _, term_hours, _, gpu_count = self.entries[row][position]
        shape = int(self._shape[row])
        contracted = bounds.contracted.get(shape)
        usd = usd * float(bounds.factor[shape])
        if contracted is not None:
            usd = float(contracted * gpu_count)
        floor = usd * max(float(bounds.hours[shape]), term_hours * float(bounds.units[shape]))
        return bool(bounds.misses_deadline[shape]), state, floor, price_id, row, position


def machine_of(shape: Shape) -> Machine:
    """The machine of a shape."""
    return Machine(shape.gpu_id, shape.gpu_count, shape.min_gpus, shape.max_gpus, shape.may_join)


def shape_of(offer: LatestOffer | OfferTerms, *, by_provider: bool = False) -> Shape:
    """The shape of an offer that may be quoted."""
    return Shape(
        provider=offer.provider if by_provider else "",
        purchase_option=offer.purchase_option,
        gpu_id=offer.gpu_id or "",
        gpu_count=int(offer.gpu_count),
        min_gpus=offer.min_gpus,
        max_gpus=offer.max_gpus,
        may_join=offer.tier != "community" and offer.provider != "vast" and offer.via is None,
    )


def state_class(offer: LatestOffer | OfferTerms, at: datetime, *, allow_stale: bool) -> int:
    """Place in the order in which prices may win; the same rule as in sql/queries/quote_offer.sql."""
    state = offer.price_state(at)
    return 0 if allow_stale and state == "stale" else state_rank(state)


def reason_to_exclude(offer: LatestOffer | OfferTerms, market_filter: MarketFilter) -> str | None:
    """Why the offer cannot be quoted; the same rules, in the same order, as in
    sql/queries/quote_offer.sql."""
    regions = [region.lower() for region in market_filter.regions]
    places = {
        (offer.region or "").lower(),
        (offer.country or "").lower(),
        *(offer.continent or "").lower().split(),
    }
    is_elsewhere = bool(regions) and places.isdisjoint(regions)
    rules = (
        (market_filter.gpu_ids and offer.gpu_id not in market_filter.gpu_ids, "another GPU than asked for"),
        (
            market_filter.providers and offer.provider not in market_filter.providers,
            "another provider than asked for",
        ),
        (is_elsewhere and not (offer.country or offer.continent), "its place is not known"),
        (
            is_elsewhere and may_be_in(regions, offer.provider, offer.country, offer.continent),
            "its country is not known",
        ),
        (is_elsewhere, "another region than asked for"),
        (market_filter.tiers and offer.tier not in market_filter.tiers, "another tier than asked for"),
        (
            market_filter.purchase_options and offer.purchase_option not in market_filter.purchase_options,
            "another purchase option than asked for",
        ),
        (offer.usd_per_hour is None, "no price in US dollars"),
        (offer.gpu_id is None, "accelerator not identified"),
        (offer.gpu_count < 1 or offer.gpu_count % 1 != 0, "part of a GPU"),
    )
    return next((reason for applies, reason in rules if applies), None)

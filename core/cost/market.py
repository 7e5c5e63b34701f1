"""The offers that a quote may choose from: those of a snapshot, or a list (a lock file, owned machines, a
test).

A market answers in three steps, so that a quote over tens of thousands of offers reads only the few hundred
that can win: which shapes are on sale, then the offers of the shapes that a plan can use, least possible
total first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, Protocol

from core.cost.surroundings import Surroundings
from core.store.lookup import LatestOffer

HOURS_PER_MONTH = 730
STATE_CLASSES = ("fresh", "stale", "unlisted", "sold_out")
"""The order in which prices may win: what nobody can buy comes last."""


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
    least: float
    """Where the cheapest per GPU-hour stands among all: 1e9 x state class + US dollars."""
    machine: Machine
    key: int = 0
    """Of the shape in a snapshot."""


class Bound(NamedTuple):
    """The least that a plan needs of a shape, and what the user's own terms make of its price."""

    shape: Shape
    misses_deadline: bool
    hours: float
    """Least paid hours of one price unit (instances x hours)."""
    units: float
    """Least instances."""
    factor: float = 1.0
    contracted: Decimal | None = None


class Candidate(NamedTuple):
    """An offer, and a lower bound of what it can come to."""

    state_class: int
    misses_deadline: bool
    floor_usd: float
    offer: LatestOffer


class Market(Protocol):
    """Where offers come from."""

    @property
    def snapshot(self) -> int: ...

    @property
    def surroundings(self) -> Surroundings: ...

    def shapes(self) -> Mapping[Shape, Stock]:
        """Shapes on sale."""
        ...

    def excluded(self) -> Mapping[str, int]:
        """Offers left out, counted by reason."""
        ...

    def candidates(self, bounds: Sequence[Bound]) -> Iterator[Candidate]:
        """Offers of those shapes by state, deadline and lower bound, the best first."""
        ...


class ListMarket:
    """A market in memory; the same answers as from a snapshot."""

    def __init__(
        self,
        offers: Sequence[LatestOffer],
        wanted: MarketFilter,
        *,
        at: datetime,
        allow_stale: bool = False,
        surroundings: Surroundings | None = None,
        snapshot: int = 0,
        excluded: Mapping[str, int] | None = None,
    ) -> None:
        self._by_shape: dict[Shape, dict[Decimal | None, list[_Entry]]] = {}
        counts = Counter(excluded or {})
        for offer in offers:
            reason = reason_to_exclude(offer, wanted)
            if reason is not None:
                counts[reason] += 1
                continue
            state = state_class(offer, at, allow_stale=allow_stale)
            by_term = self._by_shape.setdefault(shape_of(offer, by_provider=wanted.by_provider), {})
            by_term.setdefault(offer.term_months, []).append(_Entry.of(state, offer))
        for by_term in self._by_shape.values():
            for found in by_term.values():
                found.sort()
        self._excluded = counts
        self._surroundings = surroundings or Surroundings()
        self._snapshot = snapshot

    @property
    def snapshot(self) -> int:
        return self._snapshot

    @property
    def surroundings(self) -> Surroundings:
        return self._surroundings

    def shapes(self) -> Mapping[Shape, Stock]:
        return self._shapes

    @cached_property
    def _shapes(self) -> Mapping[Shape, Stock]:
        found: dict[Shape, Stock] = {}
        for shape, by_term in self._by_shape.items():
            least = min(
                entry.state * 1e9 + float(entry.offer.usd_per_gpu_hour or 0)
                for entries in by_term.values()
                for entry in entries[:1]
            )
            found[shape] = Stock(sum(map(len, by_term.values())), least, machine_of(shape))
        return found

    def excluded(self) -> Mapping[str, int]:
        return dict(self._excluded)

    def candidates(self, bounds: Sequence[Bound]) -> Iterator[Candidate]:
        # within a shape and term the bound is the price times a constant, so each list is in order already
        heap = [
            _head(entries, 0, bound)
            for bound in bounds
            for entries in self._by_shape.get(bound.shape, {}).values()
        ]
        heapq.heapify(heap)
        while heap:
            state, misses_deadline, floor, _, entries, position, bound = heap[0]
            yield Candidate(state, misses_deadline, floor, entries[position].offer)
            if position + 1 < len(entries):
                heapq.heapreplace(heap, _head(entries, position + 1, bound))
            else:
                heapq.heappop(heap)


class _Entry(NamedTuple):
    """An offer with what orders it; the price and the term as floats, so that bounds are quick."""

    state: int
    usd_per_hour: float
    price_id: str
    term_hours: float
    offer: LatestOffer

    @staticmethod
    def of(state: int, offer: LatestOffer) -> _Entry:
        assert offer.usd_per_hour is not None
        term_hours = float(offer.term_months or 0) * HOURS_PER_MONTH
        return _Entry(state, float(offer.usd_per_hour), offer.price_id, term_hours, offer)


_Head = tuple[int, bool, float, str, list[_Entry], int, Bound]


def _head(entries: list[_Entry], position: int, bound: Bound) -> _Head:
    """The entry at that place with the lower bound of its total: the price for the least hours, or for the
    whole commitment. Price ids are unique, so nothing after them is ever compared."""
    state, price, price_id, term_hours, offer = entries[position]
    if bound.contracted is None:
        price *= bound.factor
    else:
        price = float(bound.contracted * offer.gpu_count)
    floor = price * max(bound.hours, term_hours * bound.units)
    return state, bound.misses_deadline, floor, price_id, entries, position, bound


def machine_of(shape: Shape) -> Machine:
    """The machine of a shape."""
    return Machine(shape.gpu_id, shape.gpu_count, shape.min_gpus, shape.max_gpus, shape.may_join)


def shape_of(offer: LatestOffer, *, by_provider: bool = False) -> Shape:
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


def state_class(offer: LatestOffer, at: datetime, *, allow_stale: bool) -> int:
    """Index into `STATE_CLASSES`; the same rule as in sql/queries/quote_offer.sql."""
    if offer.availability == "sold_out":
        return 3
    if offer.is_unlisted:
        return 2
    return 1 if offer.fresh_until < at and not allow_stale else 0


def reason_to_exclude(offer: LatestOffer, wanted: MarketFilter) -> str | None:
    """Why the offer cannot be quoted; the same rules, in the same order, as in
    sql/queries/quote_offer.sql."""
    places = {(offer.region or "").lower(), (offer.country or "").lower(), (offer.continent or "").lower()}
    rules = (
        (wanted.gpu_ids and offer.gpu_id not in wanted.gpu_ids, "another GPU than asked for"),
        (wanted.providers and offer.provider not in wanted.providers, "another provider than asked for"),
        (
            wanted.regions and not places.intersection(r.lower() for r in wanted.regions),
            "another region than asked for",
        ),
        (wanted.tiers and offer.tier not in wanted.tiers, "another tier than asked for"),
        (
            wanted.purchase_options and offer.purchase_option not in wanted.purchase_options,
            "another purchase option than asked for",
        ),
        (offer.usd_per_hour is None, "no price in US dollars"),
        (offer.gpu_id is None, "accelerator not identified"),
        (offer.gpu_count < 1 or offer.gpu_count % 1 != 0, "part of a GPU"),
    )
    return next((reason for applies, reason in rules if applies), None)

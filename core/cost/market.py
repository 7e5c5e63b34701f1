"""The offers that a quote may choose from: those of a snapshot, or a list (a lock file, owned machines, a
test).

A market answers in three steps, so that a quote over tens of thousands of offers reads only the few hundred
that can win: which shapes are on sale, then the offers of the shapes that a plan can use, least possible
total first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


class Shape(NamedTuple):
    """What offers have in common that differ for a plan in their price alone."""

    provider: str
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
        self._by_shape: dict[Shape, dict[Decimal | None, list[tuple[int, LatestOffer]]]] = {}
        counts = Counter(excluded or {})
        for offer in offers:
            reason = reason_to_exclude(offer, wanted)
            if reason is not None:
                counts[reason] += 1
                continue
            state = state_class(offer, at, allow_stale=allow_stale)
            by_term = self._by_shape.setdefault(shape_of(offer), {})
            by_term.setdefault(offer.term_months, []).append((state, offer))
        for by_term in self._by_shape.values():
            for found in by_term.values():
                found.sort(key=lambda entry: (entry[0], entry[1].usd_per_hour, entry[1].price_id))
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
                state * 1e9 + float(offer.usd_per_gpu_hour or 0)
                for entries in by_term.values()
                for state, offer in entries[:1]
            )
            found[shape] = Stock(sum(map(len, by_term.values())), least)
        return found

    def excluded(self) -> Mapping[str, int]:
        return dict(self._excluded)

    def candidates(self, bounds: Sequence[Bound]) -> Iterator[Candidate]:
        # within a shape and term the bound is the price times a constant, so each list is in order already
        lists = [
            _candidates(entries, bound)
            for bound in bounds
            for entries in self._by_shape.get(bound.shape, {}).values()
        ]
        return heapq.merge(*lists, key=lambda candidate: (*candidate[:3], candidate.offer.price_id))


def _candidates(entries: Iterable[tuple[int, LatestOffer]], bound: Bound) -> Iterator[Candidate]:
    for state, offer in entries:
        yield Candidate(state, bound.misses_deadline, floor_usd(offer, bound), offer)


def floor_usd(offer: LatestOffer, bound: Bound) -> float:
    """Lower bound of the total: the price for the least hours, or for the whole commitment."""
    assert offer.usd_per_hour is not None
    price = float(offer.usd_per_hour) * bound.factor
    if bound.contracted is not None:
        price = float(bound.contracted * offer.gpu_count)
    return price * max(bound.hours, float(offer.term_months or 0) * HOURS_PER_MONTH * bound.units)


def shape_of(offer: LatestOffer) -> Shape:
    """The shape of an offer that may be quoted."""
    return Shape(
        provider=offer.provider,
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

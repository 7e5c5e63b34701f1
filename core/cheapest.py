"""Which offer is cheapest per GPU-hour: provider by provider, why others were passed over, and how prices spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Literal, get_args

from gpuledger.core.count import counted
from gpuledger.core.store.offers import LatestOffer
from gpuledger.core.store.older_price import old_and_first, older_price
from gpuledger.core.validity import LAPSED, REMEMBERED, state_rank


@dataclass(frozen=True)
class Ranked:
    """An offer in the ranking, with what a person should know before choosing it."""

    offer: LatestOffer
    note: str


@dataclass(frozen=True, kw_only=True)
class Cheapest:
    """The cheapest offer of each provider, best first, and remarks on what was passed over."""

    ranking: Sequence[Ranked]
    remarks: Sequence[str]


def cheapest_by_provider(
    offers: Iterable[LatestOffer], *, at: datetime, allow_stale: bool = False
) -> Cheapest:
    """Rank offers per GPU-hour in the order of `gpuledger.core.validity.STATES`.

    A stale price never goes before a fresh one unless `allow_stale`; a lapsed price is ranked only with
    `allow_stale` and where there is nothing else. Where an older price would be cheaper than the first, a remark
    says which. Offers without a price in US dollars are left out and counted.
    """
    candidates = list(offers)
    priced = [offer for offer in candidates if offer.usd_per_gpu_hour is not None]
    unpriced = Counter(offer.currency for offer in candidates if offer.usd_per_gpu_hour is None)
    lapsed = [offer for offer in priced if offer.price_state(at) == LAPSED]
    alive = [offer for offer in priced if offer.price_state(at) != LAPSED]
    chosen = alive or (lapsed if allow_stale else [])

    def order(offer: LatestOffer) -> tuple[object, ...]:
        state = offer.price_state(at)
        rank = 0 if allow_stale and state == "stale" else state_rank(state)
        price = (offer.usd_per_gpu_hour, offer.usd_per_hour)
        # of equal prices the one that was seen last
        age = offer.age(at)
        return rank, *price, state_rank(state), age, offer.provider, offer.region, offer.offer_id

    best: dict[str, LatestOffer] = {}
    for offer in sorted(chosen, key=order):
        best.setdefault(offer.provider, offer)
    ranking = [Ranked(offer, _note(offer)) for offer in best.values()]
    remarks = [
        f"{counted(count, 'offer')} in {currency} left out: no exchange rate"
        for currency, count in unpriced.items()
    ]
    if ranking:
        remarks += on_older_prices(ranking[0].offer, priced, at)
    elif lapsed:
        remarks.append(f"only lapsed prices match ({len(lapsed)}); --allow-stale ranks them")
    else:
        remarks.append("no offer matches")
    return Cheapest(ranking=ranking, remarks=remarks)


def on_older_prices(first: LatestOffer, offers: Sequence[LatestOffer], at: datetime) -> list[str]:
    """What an answer says on older prices, at every door: that its first is one, and what older one would be cheaper.

    Args:
        offers: all that match, older ones and the first too.
    """
    remarks: list[str] = []
    if first.price_state(at) in ("stale", LAPSED):
        has_fresh = any(state_rank(offer.price_state(at)) == 0 for offer in offers)
        remarks.append(old_and_first(first, at, has_fresh=has_fresh))
    return remarks + cheaper_but_older(first, offers, at)


def cheaper_but_older(first: LatestOffer, offers: Iterable[LatestOffer], at: datetime) -> list[str]:
    """One line on the cheapest older price below the first of a ranking, if there is one."""
    state = first.price_state(at)
    older = [
        offer
        for offer in offers
        if offer.price_state(at) in ("stale", LAPSED)
        and state_rank(offer.price_state(at)) > state_rank(state)
        and offer.age(at) <= REMEMBERED
        and offer.usd_per_gpu_hour is not None
        and first.usd_per_gpu_hour is not None
        and offer.usd_per_gpu_hour < first.usd_per_gpu_hour
    ]
    if not older:
        return []
    least = min(older, key=lambda offer: (offer.usd_per_gpu_hour, offer.provider, offer.offer_id))
    return [f"cheaper but older: {older_price(least, at)} was {least.usd_per_gpu_hour} USD per GPU-hour"]


def _note(offer: LatestOffer) -> str:
    return f"{offer.least_gpus}-GPU minimum" if offer.least_gpus > 1 else ""


# How prices of one accelerator differ between regions, providers or tiers.

Grouping = Literal["region", "provider", "tier", "purchase_option", "country", "gpu_id"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)


@dataclass(frozen=True, kw_only=True)
class PriceSpread:
    """Prices of a group in US dollars per GPU-hour."""

    group: str
    price_state: str
    """Of these prices: the most reliable one that the group has."""
    offers: int
    min_usd_per_gpu_hour: Decimal
    median_usd_per_gpu_hour: Decimal
    max_usd_per_gpu_hour: Decimal


def spread(offers: Iterable[LatestOffer], by: Grouping, *, at: datetime) -> list[PriceSpread]:
    """Least, median and greatest of the prices in the most reliable state of each group: the groups by that state,
    then the cheapest first. Lapsed prices, and offers without a price, are left out."""
    groups: dict[str, dict[str, list[Decimal]]] = {}
    for offer in offers:
        state = offer.price_state(at)
        if offer.usd_per_gpu_hour is not None and state != LAPSED:
            group = groups.setdefault(str(getattr(offer, by) or ""), {})
            group.setdefault(state, []).append(offer.usd_per_gpu_hour)
    rows: list[PriceSpread] = []
    for group, by_state in groups.items():
        state = min(by_state, key=state_rank)
        prices = by_state[state]
        rows.append(
            PriceSpread(
                group=group,
                price_state=state,
                offers=len(prices),
                min_usd_per_gpu_hour=min(prices),
                median_usd_per_gpu_hour=median(prices),
                max_usd_per_gpu_hour=max(prices),
            )
        )
    return sorted(rows, key=lambda row: (state_rank(row.price_state), row.min_usd_per_gpu_hour, row.group))

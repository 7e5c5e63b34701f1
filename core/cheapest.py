"""Which offer is cheapest per GPU-hour, provider by provider, and why others were passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpuledger.core.store.offers import LatestOffer

STATES = ("fresh", "sold_out", "unlisted", "stale")
"""Best first: what can be had, what may come back, what the last run no longer showed, what nobody has seen
for too long."""


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
    """Rank offers per GPU-hour.

    A stale price never goes before a fresh one unless `allow_stale`; when only stale ones exist they are
    given, and a remark says so. Offers without a price in US dollars are left out and counted.
    """
    known = list(offers)
    priced = [offer for offer in known if offer.usd_per_gpu_hour is not None]
    unpriced = Counter(offer.currency for offer in known if offer.usd_per_gpu_hour is None)

    def order(offer: LatestOffer) -> tuple[object, ...]:
        state = offer.price_state(at)
        rank = 0 if allow_stale and state == "stale" else STATES.index(state)
        return rank, offer.usd_per_gpu_hour, offer.usd_per_hour, offer.provider, offer.region, offer.offer_id

    best: dict[str, LatestOffer] = {}
    for offer in sorted(priced, key=order):
        best.setdefault(offer.provider, offer)
    ranking = [Ranked(offer, _note(offer)) for offer in best.values()]
    remarks = [
        f"{count} offers in {currency} left out: no exchange rate" for currency, count in unpriced.items()
    ]
    if ranking and ranking[0].offer.price_state(at) == "stale":
        remarks.append("every price here is past its freshness target; the order is by price all the same")
    cheaper_stale = [
        offer
        for offer in priced
        if offer.price_state(at) == "stale"
        and ranking
        and offer.usd_per_gpu_hour is not None
        and ranking[0].offer.usd_per_gpu_hour is not None
        and offer.usd_per_gpu_hour < ranking[0].offer.usd_per_gpu_hour
    ]
    if cheaper_stale and not allow_stale:
        remarks.append(f"{len(cheaper_stale)} cheaper but stale offers did not win; --allow-stale lets them")
    if not ranking:
        remarks.append("no offer matches")
    return Cheapest(ranking=ranking, remarks=remarks)


def least_gpus(offer: LatestOffer) -> int:
    """Fewest accelerators that one can order of it; an instance is not divisible."""
    return max(int(-(-offer.gpu_count // 1)), offer.min_gpus or 1)


def _note(offer: LatestOffer) -> str:
    return f"{least_gpus(offer)}-GPU minimum" if least_gpus(offer) > 1 else ""

"""What a batch must be like before it may be recorded, and which of its rows are odd by themselves.

A breach quarantines the whole batch: it is not the list that this source publishes. An odd row is a doubt: it counts
once the evidence of the ledger bears it out (`gpuledger.core.evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import combinations, pairwise

from gpuledger.core import seeds
from gpuledger.core.count import counted

# Believable prices per GPU class, from the reviewed seed `sql/seeds/price_band.csv`.
#
# A band is narrow enough that a price per instance taken for a price per GPU falls out of it, or is
# caught by the offer beside it, and wide enough for every price ever published for that class.


@dataclass(frozen=True, kw_only=True)
class Band:
    """US dollars per GPU-hour of one GPU class, over all providers and times."""

    low: Decimal
    """For spot and commitments."""
    low_on_demand: Decimal
    high: Decimal


@lru_cache(maxsize=1)
def seed_bands() -> Mapping[str, Band]:
    """Bands by `gpu_id`."""
    return {
        row["gpu_id"]: Band(
            low=Decimal(row["usd_low"]),
            low_on_demand=Decimal(row["usd_low_on_demand"]),
            high=Decimal(row["usd_high"]),
        )
        for row in seeds.rows("price_band")
    }


MOST_ODD = Decimal("0.05")
"""Share of GPUs and places where the sizes of a GPU may be priced oddly. Lists of AWS, Azure and Google from
2018 to 2026 have one: Azure's NV24s v2 and v3 cost the same."""

STEEP = Decimal("0.75")
"""How far the price per GPU may grow with the GPUs of an instance, as a share of growing as they do; looked
at from four times the GPUs on. The steepest list (AWS, Azure, Google, 2018 to 2026): Azure's T4, 0.52."""

SAME = Decimal("1.002")
"""Prices of cents per hour are rounded by up to this factor."""


def between(low: str, high: str) -> tuple[Decimal, Decimal]:
    """Bounds of an amount, as written in a declaration."""
    return Decimal(low), Decimal(high)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Bounds of a believable batch of one source."""

    min_offers: int
    """Fewest offers in any healthy answer ever seen, less a margin."""
    must_have: tuple[str, ...] = ()
    """Prefixes of `gpu_id` of which at least one offer each must be there, e.g. `h100`."""
    usd_per_gpu_hour: tuple[Decimal, Decimal] = between("0.01", "60")
    """Outer bounds for any mapped or unmapped offer; the per-GPU band is narrower. What lies outside is doubted."""
    is_marketplace: bool = False
    """Whether single hosts ask what they like."""
    larger_costs_more: bool = True
    """No two sizes of one GPU, bought alike in one place, may cost the same: a price per GPU was taken for
    the instance's. Single hosts of a marketplace may ask what they like."""
    spot_below_on_demand: bool = True
    """No spot offer may cost more than the same sku's on-demand offer in the same region."""


@dataclass(frozen=True, kw_only=True)
class CheckedOffer:
    """An offer reduced to what the contract looks at; US dollars per GPU-hour."""

    offer_id: str
    label: str
    gpu_id: str | None
    gpu_count: Decimal
    usd_per_gpu_hour: Decimal
    is_spot: bool
    is_on_demand: bool
    sibling: tuple[object, ...]
    """Equal for the spot and the on-demand offer of one thing."""
    market: tuple[object, ...] = ()
    """Equal for offers that differ in size alone: one GPU in one place, bought in one way."""

    @property
    def usd_per_hour(self) -> Decimal:
        return self.usd_per_gpu_hour * self.gpu_count


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """How a batch did; it may be recorded when `breaches` is empty."""

    offers: int
    breaches: tuple[str, ...] = field(default=())
    doubts: Mapping[str, str] = field(default_factory=dict[str, str])
    """By `offer_id`, what is odd about an offer, with figures."""


def check_contract(
    offers: Sequence[CheckedOffer], contract: Contract, *, bands: Mapping[str, Band]
) -> BatchReport:
    """Hold a batch against its contract.

    Args:
        offers: the batch.
        bands: by `gpu_id`; an offer of a GPU without a band is held to the contract's outer bounds only.
    """
    breaches = (*_count(offers, contract), *_must_have(offers, contract))
    # What is left out of a list would look like an offer that is gone, and its believed price with it.
    doubts = {**_sizes(offers, contract), **_spot(offers, contract), **_outside(offers, contract, bands)}
    return BatchReport(offers=len(offers), breaches=breaches, doubts=doubts)


def _count(offers: Sequence[CheckedOffer], contract: Contract) -> list[str]:
    if len(offers) < contract.min_offers:
        return [f"{counted(len(offers), 'offer')}, at least {contract.min_offers} expected"]
    return []


def _must_have(offers: Sequence[CheckedOffer], contract: Contract) -> list[str]:
    seen = {offer.gpu_id for offer in offers if offer.gpu_id}
    return [
        f"no offer of {prefix}"
        for prefix in contract.must_have
        if not any(gpu_id.startswith(prefix) for gpu_id in seen)
    ]


def _outside(offers: Sequence[CheckedOffer], contract: Contract, bands: Mapping[str, Band]) -> dict[str, str]:
    """By `offer_id`, what is wrong with each offer outside its bounds."""
    low, high = contract.usd_per_gpu_hour
    doubts: dict[str, str] = {}
    for offer in offers:
        band = bands.get(offer.gpu_id or "")
        floor, ceiling = low, high
        if band:
            floor = max(low, band.low_on_demand if offer.is_on_demand else band.low)
            ceiling = min(high, band.high)
        if not floor <= offer.usd_per_gpu_hour <= ceiling:
            doubts[offer.offer_id] = (
                f"{offer.label}: {offer.usd_per_gpu_hour.normalize():f} USD per GPU-hour is outside "
                f"{floor:f} to {ceiling:f} for {offer.gpu_id or 'any GPU'}"
            )
    return doubts


def _spot(offers: Sequence[CheckedOffer], contract: Contract) -> dict[str, str]:
    """Both offers of a pair: nobody knows yet which of them was misread."""
    if not contract.spot_below_on_demand:
        return {}
    on_demand = {offer.sibling: offer for offer in offers if offer.is_on_demand}
    doubts: dict[str, str] = {}
    for offer in offers:
        other = on_demand.get(offer.sibling) if offer.is_spot else None
        if other and offer.usd_per_gpu_hour > other.usd_per_gpu_hour:
            doubts[offer.offer_id] = doubts[other.offer_id] = (
                f"spot {offer.usd_per_gpu_hour.normalize():f} above on-demand {other.usd_per_gpu_hour.normalize():f}"
            )
    return doubts


def _sizes(offers: Sequence[CheckedOffer], contract: Contract) -> dict[str, str]:
    """Sizes of one GPU whose prices show that one unit was taken for the other, more than a few by chance."""
    markets: dict[tuple[object, ...], list[CheckedOffer]] = {}
    for offer in offers:
        if offer.market:
            markets.setdefault(offer.market, []).append(offer)
    several = [same for same in markets.values() if len({o.gpu_count for o in same}) > 1]
    flat = [odd for same in several if contract.larger_costs_more and (odd := _flat(same))]
    steep = [odd for same in several if (odd := _steep(same))]
    return {
        offer_id: doubt
        for odd in (flat, steep)
        if len(odd) > MOST_ODD * len(several)
        for ids, doubt in odd
        for offer_id in ids
    }


def _flat(offers: Sequence[CheckedOffer]) -> tuple[tuple[str, str], str] | None:
    """A price per GPU as that of the instance: all sizes cost the same."""
    for one, other in pairwise(sorted(offers, key=lambda offer: (offer.usd_per_hour, offer.gpu_count))):
        if one.gpu_count != other.gpu_count and other.usd_per_hour <= one.usd_per_hour * SAME:
            small, large = sorted((one, other), key=lambda offer: offer.gpu_count)
            doubt = (
                f"{large.label}: {large.gpu_count.normalize():f} GPUs cost no more than "
                f"{small.gpu_count.normalize():f} as {small.label}"
            )
            return (small.offer_id, large.offer_id), doubt
    return None


def _steep(offers: Sequence[CheckedOffer]) -> tuple[tuple[str, str], str] | None:
    """A price of the instance as that per GPU: eight GPUs cost eight times as much each."""
    cheapest: dict[Decimal, CheckedOffer] = {}
    for offer in sorted(offers, key=lambda offer: -offer.usd_per_gpu_hour):
        cheapest[offer.gpu_count] = offer
    for small, large in combinations((cheapest[count] for count in sorted(cheapest)), 2):
        times = large.gpu_count / small.gpu_count
        if times >= 4 and large.usd_per_gpu_hour >= small.usd_per_gpu_hour * times * STEEP:
            doubt = (
                f"{large.label}: each of {large.gpu_count.normalize():f} GPUs costs "
                f"{large.usd_per_gpu_hour / small.usd_per_gpu_hour:.1f} times the one of {small.label}"
            )
            return (small.offer_id, large.offer_id), doubt
    return None

"""What a batch must satisfy before it may be recorded. A breach quarantines the whole batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.band import Band


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Bounds of a believable batch of one source."""

    min_offers: int
    """Fewest offers in any healthy answer ever seen, less a margin."""
    must_have: tuple[str, ...] = ()
    """Prefixes of `gpu_id` of which at least one offer each must be there, e.g. `h100`."""
    usd_per_gpu_hour: tuple[Decimal, Decimal] = (Decimal("0.01"), Decimal(60))
    """Outer bounds for any mapped or unmapped offer; the per-GPU band is narrower."""
    min_share_of_last: float = 0.5
    """Offers in this batch over offers in the last accepted one."""
    max_median_change: float = 0.5
    """Median of |new / old - 1| over the offers in both batches."""
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
    sibling: tuple[str, ...]
    """Equal for the spot and the on-demand offer of one thing."""


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """How a batch did; it may be recorded when `breaches` is empty."""

    offers: int
    breaches: tuple[str, ...] = field(default=())


def check(
    offers: Sequence[CheckedOffer],
    contract: Contract,
    *,
    bands: Mapping[str, Band],
    previous: Mapping[str, Decimal],
) -> BatchReport:
    """Hold a batch against its contract.

    Args:
        offers: the batch.
        bands: by `gpu_id`; an offer of a GPU without a band is held to the contract's outer bounds only.
        previous: US dollars per GPU-hour by `offer_id` in the last accepted batch; empty for the first.
    """
    breaches = [
        *_count(offers, contract, previous),
        *_must_have(offers, contract),
        *_bounds(offers, contract, bands),
        *_spot(offers, contract),
        *_change(offers, contract, previous),
    ]
    return BatchReport(offers=len(offers), breaches=tuple(breaches))


def _count(offers: Sequence[CheckedOffer], contract: Contract, previous: Mapping[str, Decimal]) -> list[str]:
    if len(offers) < contract.min_offers:
        return [f"{len(offers)} offers, at least {contract.min_offers} expected"]
    if len(offers) < contract.min_share_of_last * len(previous):
        return [f"{len(offers)} offers where the last accepted run had {len(previous)}"]
    return []


def _must_have(offers: Sequence[CheckedOffer], contract: Contract) -> list[str]:
    seen = {offer.gpu_id for offer in offers if offer.gpu_id}
    return [
        f"no offer of {prefix}"
        for prefix in contract.must_have
        if not any(gpu_id.startswith(prefix) for gpu_id in seen)
    ]


def _bounds(offers: Sequence[CheckedOffer], contract: Contract, bands: Mapping[str, Band]) -> list[str]:
    low, high = contract.usd_per_gpu_hour
    breaches: list[str] = []
    for offer in offers:
        band = bands.get(offer.gpu_id or "")
        floor, ceiling = (max(low, band.low), min(high, band.high)) if band else (low, high)
        # A slice of a card is cheaper than the card in proportion, but never dearer.
        floor = floor * min(offer.gpu_count, Decimal(1)) if offer.gpu_count < 1 else floor
        if not floor <= offer.usd_per_gpu_hour <= ceiling:
            breaches.append(
                f"{offer.label}: {offer.usd_per_gpu_hour.normalize():f} USD per GPU-hour is outside "
                f"{floor:f} to {ceiling:f} for {offer.gpu_id or 'any GPU'}"
            )
    return breaches


def _spot(offers: Sequence[CheckedOffer], contract: Contract) -> list[str]:
    if not contract.spot_below_on_demand:
        return []
    on_demand = {offer.sibling: offer.usd_per_gpu_hour for offer in offers if offer.is_on_demand}
    return [
        f"{offer.label}: spot {offer.usd_per_gpu_hour.normalize():f} above on-demand "
        f"{on_demand[offer.sibling].normalize():f}"
        for offer in offers
        if offer.is_spot and offer.sibling in on_demand and offer.usd_per_gpu_hour > on_demand[offer.sibling]
    ]


def _change(offers: Sequence[CheckedOffer], contract: Contract, previous: Mapping[str, Decimal]) -> list[str]:
    changes = sorted(
        abs(offer.usd_per_gpu_hour / previous[offer.offer_id] - 1)
        for offer in offers
        if offer.offer_id in previous
    )
    if not changes:
        return []
    median = changes[len(changes) // 2]
    if median > Decimal(str(contract.max_median_change)):
        return [f"the median price moved by {median:.0%} since the last accepted run"]
    return []

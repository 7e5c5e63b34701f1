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
    outlier_share: float = 0.0
    """Marketplaces: up to this share of offers may lie outside the bounds and is left out, since single hosts
    ask absurd prices. Of a provider's own list even one such price means that a column was misread."""
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
    sibling: tuple[object, ...]
    """Equal for the spot and the on-demand offer of one thing."""


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """How a batch did; it may be recorded when `breaches` is empty."""

    offers: int
    breaches: tuple[str, ...] = field(default=())
    outliers: frozenset[str] = field(default=frozenset[str]())
    """`offer_id`s to be left out, within the contract's `outlier_share`."""


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
    outside = _outside(offers, contract, bands)
    is_tolerable = 0 < len(outside) <= contract.outlier_share * len(offers)
    outliers = frozenset(outside) if is_tolerable else frozenset[str]()
    held = [offer for offer in offers if offer.offer_id not in outliers]
    breaches = [
        *_count(held, contract, previous),
        *_must_have(held, contract),
        *(() if is_tolerable else outside.values()),
        *_spot(held, contract),
        *_change(held, contract, previous),
    ]
    return BatchReport(offers=len(held), breaches=tuple(breaches), outliers=outliers)


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


def _outside(offers: Sequence[CheckedOffer], contract: Contract, bands: Mapping[str, Band]) -> dict[str, str]:
    """By `offer_id`, what is wrong with each offer outside its bounds."""
    low, high = contract.usd_per_gpu_hour
    found: dict[str, str] = {}
    for offer in offers:
        band = bands.get(offer.gpu_id or "")
        floor, ceiling = (max(low, band.low), min(high, band.high)) if band else (low, high)
        if not floor <= offer.usd_per_gpu_hour <= ceiling:
            found[offer.offer_id] = (
                f"{offer.label}: {offer.usd_per_gpu_hour.normalize():f} USD per GPU-hour is outside "
                f"{floor:f} to {ceiling:f} for {offer.gpu_id or 'any GPU'}"
            )
    return found


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

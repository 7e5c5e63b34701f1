"""How prices of one accelerator differ between regions, providers or tiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Literal, get_args

from gpuledger.core.store.offers import LatestOffer

By = Literal["region", "provider", "tier", "purchase_option", "country", "gpu_id"]
GROUPINGS: tuple[str, ...] = get_args(By)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Prices of a group in US dollars per GPU-hour."""

    group: str
    offers: int
    min_usd_per_gpu_hour: Decimal
    median_usd_per_gpu_hour: Decimal
    max_usd_per_gpu_hour: Decimal


def spread(offers: Iterable[LatestOffer], by: By) -> list[Spread]:
    """Least, median and greatest price of each group, cheapest group first; offers without a price are
    left out."""
    groups: dict[str, list[Decimal]] = {}
    for offer in offers:
        if offer.usd_per_gpu_hour is not None:
            groups.setdefault(str(getattr(offer, by) or ""), []).append(offer.usd_per_gpu_hour)
    rows = [
        Spread(
            group=group,
            offers=len(prices),
            min_usd_per_gpu_hour=min(prices),
            median_usd_per_gpu_hour=median(prices),
            max_usd_per_gpu_hour=max(prices),
        )
        for group, prices in groups.items()
    ]
    return sorted(rows, key=lambda row: (row.min_usd_per_gpu_hour, row.group))

"""Believable prices per GPU class, from the reviewed seed `sql/seeds/price_band.csv`.

A band is narrow enough that a price per instance taken for a price per GPU falls out of it, or is caught by
the offer beside it, and wide enough for every price ever published for that class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from gpuledger.core import seeds


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

"""Offers page by page, with the filters that callers of other catalogs already know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from gpuledger.core.errors import UsageError
from gpuledger.core.store import sql
from gpuledger.core.store.offers import LatestOffer
from gpuledger.core.store.on_sale import set_on_sale

ORDERS = (
    "usd_per_gpu_hour",
    "usd_per_hour",
    "gpu_count",
    "gpu_memory_gib",
    "vcpus",
    "memory_gib",
    "last_seen_at",
    "gpu_id",
    "provider",
    "instance_type",
    "region",
    "availability",
)
"""What a page may be ordered by; ties go to the cheapest per GPU-hour."""


@dataclass(frozen=True, kw_only=True)
class OfferQuery:
    """Which offers, in which order; `None` and empty do not filter. Sizes in GiB (disks in GB), `min_price`
    and `max_price` in US dollars per hour for the whole instance."""

    gpu_ids: Sequence[str] | None = None
    gpu_names: Sequence[str] = ()
    """Canonical name, its first word (`h100`), or the provider's own label, in any case."""
    vendors: Sequence[str] = ()
    providers: Sequence[str] = ()
    regions: Sequence[str] = ()
    """Region codes, ISO countries, or continents (`eu`), in any case."""
    tiers: Sequence[str] = ()
    purchase_options: Sequence[str] = ()
    sources: Sequence[str] = ()
    instance_types: Sequence[str] = ()
    availabilities: Sequence[str] = ()
    states: Sequence[str] = ()
    """`fresh`, `stale`, `unlisted`, `sold_out`."""
    spot: bool | None = None
    cpu_arch: str | None = None
    min_cpu: float | None = None
    max_cpu: float | None = None
    min_memory: float | None = None
    max_memory: float | None = None
    min_gpu_count: float | None = None
    max_gpu_count: float | None = None
    min_gpu_memory: float | None = None
    max_gpu_memory: float | None = None
    min_total_gpu_memory: float | None = None
    max_total_gpu_memory: float | None = None
    min_disk_size: float | None = None
    max_disk_size: float | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    max_usd_per_gpu_hour: Decimal | None = None
    min_compute_capability: float | None = None
    max_compute_capability: float | None = None
    order_by: str = "usd_per_gpu_hour"
    descending: bool = False
    skip_rows: int = 0
    max_rows: int = 100


@dataclass(frozen=True)
class OfferPage:
    """Some of the offers that match, and how many match."""

    offers: list[LatestOffer]
    total: int


_LISTS = ("gpu_ids", "gpu_names", "vendors", "providers", "regions", "tiers", "purchase_options", "sources")
_MORE_LISTS = ("instance_types", "availabilities", "states")
_EXACT = ("gpu_ids", "tiers", "purchase_options", "sources", "availabilities", "states")


def page(
    connection: duckdb.DuckDBPyConnection, wanted: OfferQuery, *, at: datetime, as_of: datetime | None = None
) -> OfferPage:
    """Offers on sale now or at a past time.

    Args:
        at: the time that decides which prices are stale.

    Raises:
        UsageError: an order that is not one of `ORDERS`.
    """
    if wanted.order_by not in ORDERS:
        raise UsageError(f"order_by: {wanted.order_by!r} is none of {', '.join(ORDERS)}")
    parameters: dict[str, Any] = {entry.name: getattr(wanted, entry.name) for entry in fields(wanted)}
    for name in _LISTS + _MORE_LISTS:
        parameters[name] = _joined(name, parameters[name])
    set_on_sale(connection, as_of)
    found = sql.rows(connection, "queries/offer_page", parameters | {"at": at})
    total = found[0]["total"] if found else 0
    for row in found:
        del row["total"]
    return OfferPage([LatestOffer(**row) for row in found], total)


def _joined(name: str, values: Sequence[str] | None) -> str | None:
    """One text: binding a list costs far more than splitting it (see sql/queries/quote_offer.sql)."""
    if values is None or (not values and name != "gpu_ids"):
        return None
    for value in values:
        if "," in value:
            raise UsageError(f"{name}: {value!r} holds a comma; give several values one by one")
    return ",".join(value if name in _EXACT else value.lower() for value in values)

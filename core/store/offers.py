"""The read side: what readers ask of a snapshot. Nothing here may import pydantic, numpy or pyarrow: a lookup
has to answer before they have loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import duckdb

from gpuledger.core.store import sql


@dataclass(frozen=True, kw_only=True, slots=True)
class LatestOffer:
    """One offer on sale at a time, with its price and where that is from. Money in US dollars unless named
    `amount`; `usd_per_hour` is the whole instance and is null without an exchange rate."""

    price_id: str
    offer_id: str
    source: str
    source_kind: str
    provider: str
    via: str | None
    sku: str
    instance_type: str
    region: str
    zone: str | None
    country: str | None
    continent: str | None
    tier: str | None
    gpu_label: str
    gpu_id: str | None
    gpu_name: str | None
    gpu_count: Decimal
    gpu_memory_gib: Decimal | None
    vcpus: Decimal | None
    memory_gib: Decimal | None
    network: str | None
    min_gpus: int | None
    max_gpus: int | None
    billing_increment_seconds: int | None
    minimum_billing_seconds: int | None
    purchase_option: str
    term_months: Decimal | None
    payment: str | None
    operating_system: str | None
    availability: str
    is_unlisted: bool
    amount: Decimal
    upfront_amount: Decimal | None
    currency: str
    unit: str
    upfront_usd: Decimal | None
    usd_per_hour: Decimal | None
    usd_per_gpu_hour: Decimal | None
    effective_at: datetime | None
    valid_from: datetime
    last_seen_at: datetime
    fresh_until: datetime
    document_sha256: str | None
    source_url: str | None
    parser_version: int | None

    def price_state(self, at: datetime) -> str:
        """`fresh`, `stale` (last seen too long ago), `unlisted` (absent from the last run) or `sold_out`."""
        if self.is_unlisted:
            return "unlisted"
        if self.fresh_until < at:
            return "stale"
        return "sold_out" if self.availability == "sold_out" else "fresh"

    def age(self, at: datetime) -> timedelta:
        """How long before `at` the price was last seen; never negative."""
        return max(at - self.last_seen_at, timedelta(0))


@dataclass(frozen=True, kw_only=True)
class OfferFilter:
    """Which offers; `None` and empty do not filter."""

    gpu_ids: Sequence[str] | None = None
    providers: Sequence[str] | None = None
    region: str | None = None
    """Region code, ISO country, or continent (`eu`)."""
    tiers: Sequence[str] | None = None
    purchase_options: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    min_count: int | None = None
    max_count: int | None = None
    min_gpu_memory_gib: float | None = None
    max_usd_per_gpu_hour: Decimal | None = None
    max_rows: int | None = None


def offers(
    connection: duckdb.DuckDBPyConnection, wanted: OfferFilter, *, as_of: datetime | None = None
) -> list[LatestOffer]:
    """Offers on sale now or at a past time, cheapest per GPU-hour first; those without a rate to USD last."""
    connection.execute("set variable as_of = $as_of::timestamptz", {"as_of": as_of})
    cursor = connection.execute(sql.text("queries/offers"), vars(wanted))
    names = [column[0] for column in cursor.description or ()]
    return [LatestOffer(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def snapshot_number(connection: duckdb.DuckDBPyConnection) -> int:
    """Number of the snapshot that this connection reads."""
    row = sql.first(connection, "select number from snapshot")
    return row[0] if row else 0

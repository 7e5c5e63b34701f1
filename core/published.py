"""One published offer as the flat row that people and tests read: `gpuledger parse` and golden files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from gpuledger.core.count import decimal_text, instant_text
from gpuledger.core.offer import Offer


def usd_per_hour(offer: Offer, usd_per_unit: Decimal = Decimal(1)) -> Decimal:
    """US dollars for the whole instance and hour, an upfront payment spread over the term.

    Args:
        usd_per_unit: US dollars for one unit of the offer's currency.
    """
    return offer.amount_per_hour * usd_per_unit


def published_row(
    source: str,
    offer: Offer,
    *,
    gpu_id: str | None,
    observed_at: datetime,
    usd_per_unit: Mapping[str, Decimal],
) -> dict[str, Any]:
    """The row. Money and sizes are decimal strings, instants ISO 8601 in UTC, absent facts null.

    Args:
        usd_per_unit: exchange rates by currency; without one for the offer's currency the dollars are null.
    """
    rate = Decimal(1) if offer.price.currency == "USD" else usd_per_unit.get(offer.price.currency)
    hourly = None if rate is None else usd_per_hour(offer, rate)
    upfront = None if rate is None or offer.upfront_amount is None else offer.upfront_amount * rate
    return {
        "provider": offer.provider,
        "via": offer.via,
        "source": source,
        "sku": offer.sku,
        "instance_type": offer.instance_type or offer.sku,
        "region": offer.region,
        "zone": offer.zone,
        "tier": offer.tier,
        "gpu_label": offer.gpu_label,
        "gpu_id": gpu_id,
        "gpu_count": _count(offer.gpu_count),
        "gpu_memory_gib": _count(offer.gpu_memory_gib),
        "vcpus": _count(offer.vcpus),
        "memory_gib": _count(offer.memory_gib),
        "purchase_option": offer.purchase_option.value,
        "term_months": _count(offer.term_months),
        "payment": offer.payment,
        "operating_system": offer.operating_system,
        "upfront_usd": decimal_text(upfront),
        "availability": offer.availability.value,
        "amount": decimal_text(offer.price.amount),
        "currency": offer.price.currency,
        "unit": offer.price.unit.value,
        "usd_per_hour": decimal_text(hourly),
        "usd_per_gpu_hour": decimal_text(None if hourly is None else hourly / offer.gpu_count),
        "effective_at": instant_text(offer.effective_at),
        "observed_at": instant_text(offer.observed_at or observed_at),
    }


def _count(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)

"""One row of an archive as a dated offer, in the terms that the live adapters use for the same thing.

An offer that an archive and a live source both saw must have one identity, or the two would stand side by
side. So machine shapes are taken from the seeds where they know the instance type, not from the archive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, Withdrawn
from gpuledger.core.provider import instance_shape, known_region
from gpuledger.core.provider_name import named_provider
from gpuledger.scrapers.read_json import price_or_reason

HYPERSCALERS = ("aws", "azure", "gcp", "oci")
"""Providers whose accelerated instance types the seeds hold completely: an unknown type has no
accelerator."""

MOST_USD_PER_HOUR = 5000
"""No instance of one node has cost more; a larger number is a monthly or a yearly one."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What an archive says about one price at one time, before anything is looked up."""

    provider: str
    sku: str
    observed_at: datetime
    amount: Any
    """Text or number as in the archive; empty means that the row states no price."""
    unit: Unit = Unit.HOUR
    currency: str = "USD"
    option: PurchaseOption = PurchaseOption.ON_DEMAND
    region: str = "global"
    zone: str | None = None
    tier: str | None = None
    via: str | None = None
    gpu_label: str | None = None
    gpu_count: Decimal | None = None
    gpu_memory_gib: Decimal | None = None
    vcpus: Decimal | None = None
    memory_gib: Decimal | None = None
    term_months: Decimal | None = None
    payment: str | None = None
    min_gpus: int | None = None
    is_withdrawal: bool = False


def fact(seen: Sighting, row: Any) -> Offer | Withdrawn | Skipped:
    """The offer, its withdrawal, or why the row is left out."""
    named = named_provider(seen.provider)
    provider, option = named.provider, seen.option
    if not provider:
        return Skipped("no provider or no product is named", row)
    if named.purchase_option is not None and named.purchase_option != option:
        if option is not PurchaseOption.ON_DEMAND:
            return Skipped("the provider's name says another way to buy than the row", row)
        option = PurchaseOption(named.purchase_option)
        if option is PurchaseOption.RESERVED and seen.term_months is None:
            return Skipped("a commitment or a price that is not described fully", row)
    shape = instance_shape(provider, seen.sku)
    if (shape is not None and shape.gpu_count == 0) or seen.gpu_count == 0:
        return Skipped("no accelerator", row)
    if shape is None and provider in HYPERSCALERS and (seen.gpu_label is None or seen.gpu_count is None):
        return Skipped("an instance type without a known accelerator", row)
    if shape is not None:
        label = seen.sku if provider == "aws" else shape.gpu_label
        count, memory = shape.gpu_count, shape.gpu_memory_gib
        vcpus, host_memory = shape.vcpus, shape.memory_gib
    elif seen.gpu_label and seen.gpu_count:
        label, count, memory = seen.gpu_label, seen.gpu_count, seen.gpu_memory_gib
        vcpus, host_memory = seen.vcpus, seen.memory_gib
    else:
        return Skipped("no accelerator is named", row)
    key: dict[str, Any] = {
        "provider": provider,
        "via": seen.via,
        "sku": seen.sku,
        "region": known_region(provider, seen.region or "global"),
        "zone": seen.zone,
        "tier": seen.tier or named.tier,
        "gpu_label": label,
        "gpu_count": count,
        "purchase_option": option,
        "term_months": seen.term_months,
        "payment": seen.payment,
    }
    try:
        if seen.is_withdrawal:
            return Withdrawn(**key, observed_at=seen.observed_at)
        amount = price_or_reason(seen.amount, MOST_USD_PER_HOUR * 730)
        if isinstance(amount, str):
            return Skipped(amount, row)
        return Offer(
            **key,
            instance_type=seen.sku,
            gpu_memory_gib=memory,
            vcpus=vcpus,
            memory_gib=host_memory,
            min_gpus=seen.min_gpus,
            price=Price(amount=amount, currency=seen.currency, unit=seen.unit),
            observed_at=seen.observed_at,
        )
    except ValidationError:
        return Skipped("a value is out of bounds", row)


def without_dear_spot(facts: Iterable[Fact]) -> Iterator[Fact]:
    """The facts of one list; spot that costs more than the same thing on demand at that time cannot be."""
    listed = list(facts)
    full: dict[tuple[object, ...], Decimal] = {}
    for seen in listed:
        if isinstance(seen, Offer) and seen.purchase_option is PurchaseOption.ON_DEMAND:
            # one price for the region, or one for each zone: spot of a zone is held to either
            full[_sibling(seen, seen.zone)] = seen.price.amount
    for seen in listed:
        if isinstance(seen, Offer) and seen.purchase_option is PurchaseOption.SPOT:
            price = full.get(_sibling(seen, seen.zone)) or full.get(_sibling(seen, None))
            if price is not None and seen.price.amount > price:
                yield Skipped(
                    "a spot price over the on-demand price", seen.model_dump(mode="json", exclude_none=True)
                )
                continue
        yield seen


def _sibling(offer: Offer, zone: str | None) -> tuple[object, ...]:
    return (
        *(
            offer.provider,
            offer.via,
            offer.sku,
            offer.region,
            zone,
            offer.tier,
            offer.gpu_label,
            offer.gpu_count,
        ),
        *(offer.price.unit, offer.price.currency, offer.observed_at),
    )


def instant_of_text(text: Any) -> datetime | None:
    """A date or time as archives write it; without an offset it is UTC. `None` where it is neither.

    Compact forms are `20220805T040606Z` and `20220805`; a number is seconds since 1970.
    """
    if isinstance(text, datetime):
        return text.replace(tzinfo=UTC) if text.tzinfo is None else text.astimezone(UTC)
    if isinstance(text, date):
        return datetime(text.year, text.month, text.day, tzinfo=UTC)
    if isinstance(text, int) and not isinstance(text, bool):
        return datetime.fromtimestamp(text, UTC) if 0 < text < 10**11 else None
    try:
        value = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_SIGNS = "$€£ \u00a0\u202f"
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_POINTED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")


def amount_text(text: str) -> str:
    """The number in `$32.77`, `1,234.50`, `0,12` and `1.234,50` with a decimal point and nothing else.

    A comma parts thousands where three digits follow each and no zero leads; another single comma is a decimal
    one. Whatever fits neither is given back as it is, and no plain number then.
    """
    plain = text.strip(_SIGNS)
    if _THOUSANDS.fullmatch(plain):
        return plain.replace(",", "")
    if _POINTED.fullmatch(plain):
        return plain.replace(".", "").replace(",", ".")
    if _DECIMAL_COMMA.fullmatch(plain):
        return plain.replace(",", ".")
    return plain


def decimal(text: Any) -> Decimal | None:
    """A plain number above zero, else `None`."""
    price = price_or_reason(str(text).strip() if text is not None else None, 10**9)
    return None if isinstance(price, str) else price


def cell(row: Mapping[str, Any], *names: str) -> Any:
    """The first of the columns that is there and not empty, else `None`."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)

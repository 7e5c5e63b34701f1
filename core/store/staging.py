# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeArgument=false, reportMissingTypeStubs=false
"""One batch as Arrow columns, the only way rows enter the ledger in bulk (row-wise inserts are some 200 times
slower, `docs/benchmarks.md`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pyarrow as pa

from core.alias import Aliases
from core.offer import (
    ExchangeRate,
    InterruptionBand,
    MarketSample,
    Offer,
    OfferKey,
    StoragePrice,
    TransferPrice,
    Withdrawn,
)
from core.published import MICRO


@dataclass(frozen=True, kw_only=True)
class Located:
    """A fact and the document that says so."""

    fact: Offer | Withdrawn
    document_no: int


_MONEY = pa.decimal128(18, 6)
_SIZE = pa.decimal128(18, 4)
_TIME = pa.timestamp("us", tz="UTC")


def _micro(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(MICRO, ROUND_HALF_EVEN)


def _size(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


# column -> (Arrow type, value of an offer or its withdrawal); terms are all that a withdrawal states
_TERM_COLUMNS: dict[str, tuple[pa.DataType, Callable[[OfferKey], Any]]] = {
    "offer_id": (pa.string(), lambda offer: offer.offer_id),
    "provider": (pa.string(), lambda offer: offer.provider),
    "via": (pa.string(), lambda offer: offer.via),
    "sku": (pa.string(), lambda offer: offer.sku),
    "instance_type": (pa.string(), lambda offer: getattr(offer, "instance_type", "") or offer.sku),
    "region": (pa.string(), lambda offer: offer.region),
    "zone": (pa.string(), lambda offer: offer.zone),
    "tier": (pa.string(), lambda offer: offer.tier),
    "gpu_label": (pa.string(), lambda offer: offer.gpu_label),
    "gpu_count": (_SIZE, lambda offer: _size(offer.gpu_count)),
    "purchase_option": (pa.string(), lambda offer: offer.purchase_option.value),
    "term_months": (_MONEY, lambda offer: _micro(offer.term_months)),
    "payment": (pa.string(), lambda offer: offer.payment),
    "operating_system": (pa.string(), lambda offer: offer.operating_system),
}

# column -> (Arrow type, value of an offer); null for a withdrawal
_OFFER_COLUMNS: dict[str, tuple[pa.DataType, Callable[[Offer], Any]]] = {
    "gpu_memory_gib": (_SIZE, lambda offer: _size(offer.gpu_memory_gib)),
    "vcpus": (_SIZE, lambda offer: _size(offer.vcpus)),
    "memory_gib": (_SIZE, lambda offer: _size(offer.memory_gib)),
    "local_storage_gb": (_SIZE, lambda offer: _size(offer.local_storage_gb)),
    "network": (pa.string(), lambda offer: offer.network),
    "min_gpus": (pa.int32(), lambda offer: offer.min_gpus),
    "max_gpus": (pa.int32(), lambda offer: offer.max_gpus),
    "billing_increment_seconds": (pa.int32(), lambda offer: offer.billing_increment_seconds),
    "minimum_billing_seconds": (pa.int32(), lambda offer: offer.minimum_billing_seconds),
    "amount": (_MONEY, lambda offer: _micro(offer.price.amount)),
    "upfront_amount": (_MONEY, lambda offer: _micro(offer.upfront_amount)),
    "currency": (pa.string(), lambda offer: offer.price.currency),
    "unit": (pa.string(), lambda offer: offer.price.unit.value),
    "effective_at": (_TIME, lambda offer: offer.effective_at),
    "availability": (pa.string(), lambda offer: offer.availability.value),
}


def seen_table(located: Sequence[Located], aliases: Aliases) -> pa.Table:
    """The batch's offers, one row each, with their accelerator resolved."""
    offers = [entry.fact for entry in located]
    columns: dict[str, pa.Array] = {
        "position": pa.array(range(len(offers)), pa.int32()),
        "gpu_id": pa.array(
            [
                aliases.resolve(offer.provider, offer.gpu_label, getattr(offer, "gpu_memory_gib", None))
                for offer in offers
            ],
            pa.string(),
        ),
        "document_no": pa.array([entry.document_no for entry in located], pa.int32()),
    }
    columns["observed_at"] = pa.array([offer.observed_at for offer in offers], _TIME)
    for name, (kind, term) in _TERM_COLUMNS.items():
        columns[name] = pa.array([term(offer) for offer in offers], kind)
    for name, (kind, value) in _OFFER_COLUMNS.items():
        columns[name] = pa.array(
            [value(offer) if isinstance(offer, Offer) else None for offer in offers], kind
        )
    return pa.table(columns)


PART_ROWS = 8192


def in_parts(table: pa.Table) -> pa.Table:
    """The same rows in parts, so that DuckDB scans them with all its threads; one part is one thread's."""
    return pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=PART_ROWS), table.schema)


SideFact = StoragePrice | TransferPrice | ExchangeRate | InterruptionBand | MarketSample


def fact_table(kind: type[SideFact], facts: Sequence[SideFact]) -> pa.Table:
    """Facts of one kind, one row each, columns named as the model's fields."""
    names = list(kind.model_fields)
    return pa.table({name: _column([getattr(fact, name) for fact in facts]) for name in names})


def _column(values: Sequence[Any]) -> pa.Array:
    if values and isinstance(values[0], Decimal):
        return pa.array(
            [value.quantize(Decimal("1e-9"), ROUND_HALF_EVEN) for value in values], pa.decimal128(30, 9)
        )
    return pa.array([getattr(value, "value", value) for value in values])

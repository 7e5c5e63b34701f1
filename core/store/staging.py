# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeArgument=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false
"""One batch as Arrow columns, the only way rows enter the ledger in bulk (row-wise inserts are some 200 times
slower, `docs/benchmarks.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gpuledger.core.alias import Aliases
from gpuledger.core.count import MICRO
from gpuledger.core.offer import (
    ExchangeRate,
    InterruptionBand,
    MarketSample,
    Offer,
    OfferKey,
    StoragePrice,
    TransferPrice,
    Withdrawn,
)
from gpuledger.core.validity import implausible_time


@dataclass(frozen=True, kw_only=True)
class Located:
    """A fact and the document that says so."""

    fact: Offer | Withdrawn
    document_no: int


_MONEY = pa.decimal128(18, 6)
_SIZE = pa.decimal128(18, 4)
_TIME = pa.timestamp("us", tz="UTC")


@lru_cache(maxsize=65_536)
def micro(value: Decimal | None) -> Decimal | None:
    """An amount as the ledger keeps it."""
    return None if value is None else value.quantize(MICRO, ROUND_HALF_EVEN)


@lru_cache(maxsize=65_536)
def _size(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


_Column = tuple[str, pa.DataType, Callable[[Any], Any] | None]
"""Column, Arrow type, and what makes the attribute fit; without one it goes in as it is."""

# the attribute has the column's name
TERM_COLUMNS: tuple[_Column, ...] = (
    ("offer_id", pa.string(), None),
    ("provider", pa.string(), None),
    ("via", pa.string(), None),
    ("sku", pa.string(), None),
    ("region", pa.string(), None),
    ("zone", pa.string(), None),
    ("tier", pa.string(), None),
    ("gpu_label", pa.string(), None),
    ("gpu_count", _SIZE, _size),
    ("purchase_option", pa.string(), None),
    ("term_months", _MONEY, micro),
    ("payment", pa.string(), None),
    ("operating_system", pa.string(), None),
    ("observed_at", _TIME, None),
)
"""What a withdrawal states too."""

PRICED_COLUMNS: tuple[_Column, ...] = (
    ("gpu_memory_gib", _SIZE, _size),
    ("vcpus", _SIZE, _size),
    ("memory_gib", _SIZE, _size),
    ("local_storage_gb", _SIZE, _size),
    ("network", pa.string(), None),
    ("min_gpus", pa.int32(), None),
    ("max_gpus", pa.int32(), None),
    ("billing_increment_seconds", pa.int32(), None),
    ("minimum_billing_seconds", pa.int32(), None),
    ("price.amount", _MONEY, micro),
    ("upfront_amount", _MONEY, micro),
    ("price.currency", pa.string(), None),
    ("price.unit", pa.string(), None),
    ("effective_at", _TIME, None),
    ("availability", pa.string(), None),
)
"""Null for a withdrawal."""


def seen_table(located: Sequence[Located], aliases: Aliases) -> pa.Table:
    """The batch's offers, one row each, with their accelerator resolved."""
    facts = [entry.fact for entry in located]
    return (
        fact_columns(facts)
        .append_column("position", pa.array(range(len(facts)), pa.int32()))
        .append_column("gpu_id", pa.array(_gpu_ids(facts, aliases), pa.string()))
        .append_column("document_no", pa.array([entry.document_no for entry in located], pa.int32()))
    )


def fact_columns(facts: Sequence[Offer | Withdrawn]) -> pa.Table:
    """What the facts themselves say, one row each, as the ledger stores it."""
    offers = [fact if isinstance(fact, Offer) else None for fact in facts]
    columns: dict[str, pa.Array] = {column[0]: _array(facts, column) for column in TERM_COLUMNS}
    for column in PRICED_COLUMNS:
        columns[column[0].removeprefix("price.")] = _array(offers, column)
    columns["instance_type"] = pa.array(
        [getattr(fact, "instance_type", "") or fact.sku for fact in facts], pa.string()
    )
    return pa.table(columns)


def located(parts: Sequence[pa.Table]) -> pa.Table:
    """The columns of several documents as one table, each row with the place of its document."""
    return pa.concat_tables(
        [
            part.append_column("document_no", pa.array([number] * part.num_rows, pa.int32()))
            for number, part in enumerate(parts)
        ]
    )


def seen_by(table: pa.Table, now: datetime) -> tuple[pa.Table, list[str]]:
    """The rows that can have been observed when they say, and why each of the others cannot."""
    encoded = table["observed_at"].combine_chunks().dictionary_encode()
    times: list[datetime] = encoded.dictionary.to_pylist()
    by_time = pa.array([implausible_time(time, now) for time in times], pa.string())
    reasons = by_time.take(encoded.indices)
    return table.filter(pc.is_null(reasons)), reasons.drop_null().to_pylist()


def resolved_table(table: pa.Table, aliases: Aliases, *, first_document: int) -> pa.Table:
    """Rows of `located` as `seen_table` has them: numbered, and with their accelerator resolved."""
    names = ("provider", "gpu_label", "gpu_memory_gib")
    encoded = [table[name].combine_chunks().dictionary_encode() for name in names]
    words = [one.dictionary.to_pylist() for one in encoded]
    rows = zip(*(one.indices.to_pylist() for one in encoded), strict=True)
    gpu_id_by_places: dict[tuple[int | None, ...], str | None] = {}
    gpu_ids: list[str | None] = []
    for places in rows:
        if places not in gpu_id_by_places:
            provider, label, memory = (
                None if at is None else words[which][at] for which, at in enumerate(places)
            )
            gpu_id_by_places[places] = aliases.resolve(str(provider), str(label), memory)
        gpu_ids.append(gpu_id_by_places[places])
    numbers = pc.add(table["document_no"], pa.scalar(first_document, pa.int32()))
    return (
        table.set_column(table.column_names.index("document_no"), "document_no", numbers)
        .append_column("gpu_id", pa.array(gpu_ids, pa.string()))
        .append_column("position", pa.array(range(table.num_rows), pa.int32()))
    )


def _array(facts: Sequence[OfferKey | None], column: _Column) -> pa.Array:
    path, kind, fit = column
    read = attrgetter(path)
    # Column by column through the C loop of map: a list of 60,000 offers takes a third of the time of one lambda each.
    values: Iterable[Any] = (
        map(read, facts) if all(facts) else (None if fact is None else read(fact) for fact in facts)
    )
    return pa.array(list(values if fit is None else map(fit, values)), kind)


def _gpu_ids(facts: Sequence[OfferKey], aliases: Aliases) -> list[str | None]:
    """Thousands of offers have some dozens of labels; each is looked up once."""
    by_label: dict[tuple[str, str, Decimal | None], str | None] = {}
    gpu_ids: list[str | None] = []
    for fact in facts:
        key = (fact.provider, fact.gpu_label, getattr(fact, "gpu_memory_gib", None))
        if key not in by_label:
            by_label[key] = aliases.resolve(*key)
        gpu_ids.append(by_label[key])
    return gpu_ids


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

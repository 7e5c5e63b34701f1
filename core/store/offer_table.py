# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false
"""Tens of thousands of offers as columns. To make a record of each takes longer than to price them all, so that one is
made when somebody looks at it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from gpuledger.core import validity
from gpuledger.core.store import sql
from gpuledger.core.store.offers import DERIVED, LatestOffer, OfferQuery, offer_parameters, set_on_sale

if TYPE_CHECKING:
    # a quote of one plan never loads it
    import pyarrow as pa


class OfferTerms(NamedTuple):
    """What decides where an offer stands in a ranking; as `LatestOffer` has it."""

    price_id: str
    provider: str
    via: str | None
    region: str
    country: str | None
    continent: str | None
    tier: str | None
    gpu_id: str | None
    gpu_count: Decimal
    min_gpus: int | None
    max_gpus: int | None
    purchase_option: str
    term_months: Decimal | None
    availability: str
    is_unlisted: bool
    is_recorded: bool
    usd_per_hour: Decimal | None
    usd_per_gpu_hour: Decimal | None
    fresh_until: datetime
    lapses_at: datetime | None

    def price_state(self, instant: datetime) -> str:
        """As `LatestOffer.price_state`."""
        return validity.price_state(
            instant,
            is_recorded=self.is_recorded,
            fresh_until=self.fresh_until,
            lapses_at=self.lapses_at,
            is_unlisted=self.is_unlisted,
            availability=self.availability,
        )


class OfferTable:
    """Offers by their position."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._made: dict[int, LatestOffer] = {}

    def __len__(self) -> int:
        return self._table.num_rows

    def __getitem__(self, position: int) -> LatestOffer:
        made = self._made.get(position)
        if made is None:
            (row,) = self._table.slice(position, 1).to_pylist()
            made = self._made[position] = LatestOffer(**row)
        return made

    def terms(self) -> list[OfferTerms]:
        """Of each offer, in order."""
        columns = [_values(self._table[name]) for name in OfferTerms._fields]
        return list(map(OfferTerms._make, zip(*columns, strict=True)))


def _values(column: pa.ChunkedArray) -> list[object]:
    """The values of a column; what repeats is made once."""
    codes = column.combine_chunks().dictionary_encode()
    values = codes.dictionary.to_pylist()
    values.append(None)
    return [values[code] for code in codes.indices.fill_null(len(values) - 1).to_numpy().tolist()]


def offer_table(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    at: datetime | None = None,
    as_of: datetime | None = None,
) -> OfferTable:
    """The offers that `offers` gives, as columns.

    Raises:
        UsageError: an order or a state that does not exist.
    """
    parameters = offer_parameters(query)
    set_on_sale(connection, at=at, as_of=as_of, gpu_ids=query.gpu_ids)
    read = sql.arrow(connection, sql.text("queries/offers"), parameters)
    return OfferTable(read.drop_columns([*DERIVED, "total"]))

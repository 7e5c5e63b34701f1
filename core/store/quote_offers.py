"""A snapshot as the market of a quote. Reads shapes first and offers in chunks, so that a quote over 60,000
offers builds records for a few hundred of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from gpuledger.core.store import sql
from gpuledger.core.store.offers import LatestOffer, set_on_sale
from gpuledger.core.store.quote_rows import QuotableRows, ShapeNeeds

CHUNK, GROWTH = 32, 4
"""Offers read first, and how many times as many each time after: the ten best are nearly always among the
first."""
MOST_KEPT = 40
"""Lists beside the offers that the readers of a snapshot keep: those of now, and of some past days."""


class StallRows(NamedTuple):
    """What a quote may choose from at one time under one filter."""

    shapes: list[dict[str, Any]]
    """Rows of sql/queries/quote_shape.sql."""
    rows: QuotableRows
    until: datetime | None
    """No price changes its state before; `None`: none ever does."""


class Quotable:
    """The offers of one snapshot at one time under one filter, as plain rows.

    Args:
        filters: the variables of sql/queries/quote_offer.sql by their names without `quote_`.
        cache: what other quotes of this snapshot have read of `surrounding`, and where this one leaves it.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        filters: Mapping[str, Sequence[str]],
        *,
        as_of: datetime | None,
        at: datetime,
        allow_stale: bool,
        cache: dict[str, Any] | None = None,
    ) -> None:
        self._connection, self._filters, self._allow_stale = connection, filters, allow_stale
        self._as_of = as_of
        self._kept = cache if cache is not None else {}
        set_on_sale(connection, at=at, as_of=as_of)

    def _filter(self) -> None:
        """Make the view of quote_offer.sql; another question on this connection may have left its own."""
        for name, values in self._filters.items():
            self._connection.execute(f"set variable quote_{name} = $value", {"value": ",".join(values)})
        self._connection.execute(
            "set variable quote_allow_stale = $value::boolean", {"value": self._allow_stale}
        )
        self._connection.execute(sql.text("queries/quote_offer"))

    def stall_rows(self) -> StallRows:
        """What is on sale, until the first of its prices changes its state."""
        self._filter()
        shapes = sql.rows(self._connection, "queries/quote_shape")
        ((until,),) = self._connection.execute(sql.text("queries/quote_next_change")).fetchall()
        return StallRows(shapes, QuotableRows(self._connection), until)

    def left_out(self) -> list[dict[str, Any]]:
        """Rows of sql/queries/quote_left_out.sql."""
        self._filter()
        return sql.rows(self._connection, "queries/quote_left_out")

    def candidates(
        self, rows: QuotableRows, needs: ShapeNeeds, states: Collection[int]
    ) -> Iterator[tuple[bool, int, float, LatestOffer]]:
        """Whether the deadline is missed, state class, lower bound and offer, best first, of equal ones by price id.

        Args:
            rows: of `stall_rows`.
            states: state classes of the offers.
        """
        chunk = CHUNK
        for misses, state, row_no, floor in rows.ranked(needs, states):
            start = ordered = 0
            while start < len(row_no):
                end = min(start + chunk, len(row_no))
                worst = float(floor[end - 1])
                first, last = (int(np.searchsorted(floor, worst, side)) for side in ("left", "right"))
                if last > max(end, ordered):
                    # equal bounds must not be cut apart at random
                    row_no[first:last] = self._by_price_id(row_no[first:last])
                    ordered = last
                chosen: list[int] = row_no[start:end].tolist()
                usd_of: list[float] = floor[start:end].tolist()
                for usd, offer in self._read(dict(zip(chosen, usd_of, strict=True))):
                    yield misses, state, usd, offer
                start, chunk = end, chunk * GROWTH

    def _read(self, floors: Mapping[int, float]) -> list[tuple[float, LatestOffer]]:
        rows = sql.rows(self._connection, "queries/quote_candidate", {"rows": _text(floors)})
        read = [(floors[row.pop("row_no")], LatestOffer(**row)) for row in rows]
        return sorted(read, key=lambda each: (each[0], each[1].price_id))

    def _by_price_id(self, row_no: NDArray[np.int64]) -> list[int]:
        rows = sql.rows(self._connection, "queries/quote_price_id", {"rows": _text(row_no.tolist())})
        return [row["row_no"] for row in rows]

    def first_of_providers(
        self, bounds: str, states: Iterable[int], each: int
    ) -> Iterator[tuple[bool, int, float, LatestOffer]]:
        """As `candidates`, of every provider so many."""
        self._filter()
        self._connection.execute(sql.text("queries/quote_floor"))
        named = {"bounds": bounds, "states": ",".join(map(str, states)), "each": each}
        for row in sql.rows(self._connection, "queries/quote_first_of_providers", named):
            offer = LatestOffer(**{name: row[name] for name in LatestOffer.__slots__ if name in row})
            yield bool(row["misses"]), row["state_class"], row["floor_usd"], offer

    def surrounding(self, query: str) -> list[dict[str, Any]]:
        """Rows of one of the queries beside the offers, in force at the same time."""
        name = query if self._as_of is None else f"{query} at {self._as_of.isoformat()}"
        rows = self._kept.get(name)
        if rows is None:
            rows = sql.rows(self._connection, f"queries/{query}", {"as_of": self._as_of})
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[name] = rows
        return rows


def _text(rows: Iterable[int]) -> str:
    # binding a list costs far more than splitting a text
    return ",".join(map(str, rows))

"""The market as a whole: at a glance, by choice, how it moved, where each price is from, and how sources are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpuledger.core.errors import NoOfferError, UsageError
from gpuledger.parse import When
from gpuledger.questions.choice import offer_query, unplaced_ever_hint
from gpuledger.questions.index import IndexQuestions
from gpuledger.questions.reader import Rows, query_rows

if TYPE_CHECKING:
    from gpuledger.core.store.offers import OfferQuery

Names = str | Iterable[str] | None


class MarketQuestions(IndexQuestions):
    """Each question once. Times are datetimes or ISO 8601 text, UTC without an offset; names are one or several."""

    def facets(self, query: OfferQuery, *, as_of: When = None) -> Rows:
        """How many offers each choice would show: one row per facet (`gpu`, `provider`, `purchase_option`, `count`,
        `continent`, `country`, `state`) and value, with what the other filters of the query let through."""
        from gpuledger.core.store.offers import facets

        time, moment = self.past(as_of)
        with self.reading() as snapshot:
            return Rows(facets(snapshot.connection, query, at=moment, as_of=time), as_of=moment)

    def overview(self, *, as_of: When = None) -> Rows:
        """The market at a glance: one row per accelerator on sale, of the prices in its most reliable state, with the
        cheapest on demand, spot and reserved, how its index moved, and its median price of 52 weeks.

        Raises:
            UsageError: no time, or one in the future.
        """
        from gpuledger.core.store.offers import overview

        time, moment = self.past(as_of)
        with self.reading() as snapshot:
            return Rows(overview(snapshot.connection, at=moment, as_of=time), as_of=moment)

    def price_moves(
        self,
        gpu: str | None,
        *,
        providers: Names = None,
        regions: Names = None,
        tiers: Names = None,
        purchase_options: Names = None,
        since: When = None,
        until: When = None,
        limit: int = 100,
    ) -> Rows:
        """When prices changed: one row per offer and change, the newest first, with the price before and the `price_id`
        whose receipt `price_receipt` gives.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: the SPEC or a time cannot be understood.
        """
        from gpuledger.core.store.history import price_moves

        chosen = offer_query(
            gpu,
            providers=providers,
            regions=regions,
            tiers=tiers,
            purchase_options=purchase_options,
            limit=limit,
        )
        first, last = self._span(since, until)
        with self.reading() as snapshot:
            rows = price_moves(snapshot.connection, chosen, since=first, until=last or self.clock())
            unplaced = unplaced_ever_hint(snapshot.connection, chosen)
        return Rows(rows, remarks=[*unplaced, *([] if rows else ["no price changed in that time"])])

    def price_receipt(self, price_id: str) -> dict[str, Any]:
        """Which observation a price is from: run, document and its hash.

        Raises:
            UsageError: not the form of a price_id.
            NoOfferError: the ledger has no such price.
        """
        source, _, rest = price_id.partition(":")
        offer_id, _, changed = rest.rpartition(":")
        if not (source and offer_id and changed.isdigit() and len(changed) < 19):
            raise UsageError(
                f"price_id: {price_id[:80]!r} is none, as in runpod:92f1c41de7bb0a31:1795262400000000"
            )
        named = {"source": source, "offer_id": offer_id, "changed_at_us": int(changed)}
        with self.reading() as snapshot:
            rows = query_rows(snapshot.connection, "queries/explain_price", named)
        if not rows:
            raise NoOfferError(f"price_id: the ledger has no price {price_id}")
        return {"price_id": price_id, "source": source, "offer_id": offer_id} | rows[0]

    def run_days(self, *, days: int = 14) -> Rows:
        """How each live source was read: one row per source and UTC day with its runs by outcome."""
        first = (self.clock() - timedelta(days=days - 1)).date()
        with self.reading() as snapshot:
            return Rows(query_rows(snapshot.connection, "queries/run_days", {"from_date": first}))

    def source_shares(self) -> Rows:
        """What share of the prices on sale each source has, imported and bundled lists too."""
        with self.reading() as snapshot:
            return Rows(query_rows(snapshot.connection, "queries/source_share", {"now": self.clock()}))

    def disputes(self) -> Rows:
        """Claims of sources that do not count until they are confirmed, the oldest first."""
        with self.reading() as snapshot:
            return Rows(query_rows(snapshot.connection, "queries/disputes", {"target": None}))

    def relations(self) -> Rows:
        """What SQL can read: one row per column of each table and view, with its meaning."""
        with self.reading() as snapshot:
            return Rows(query_rows(snapshot.connection, "queries/readable_columns"))

    def exchange_rates(self) -> dict[str, Decimal]:
        """US dollars for one unit of each currency, at the newest rate of the ledger."""
        with self.reading() as snapshot:
            rows = query_rows(snapshot.connection, "queries/exchange_rate_latest")
        return {row["currency"]: row["usd_per_unit"] for row in rows}

    def chart(self, query: str, named: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of one of the queries `price_chart_...`, for a drawing."""
        with self.reading() as snapshot:
            return query_rows(snapshot.connection, f"queries/{query}", named)

    def sparklines(
        self, rows: Sequence[Mapping[str, Any]], since: datetime, until: datetime
    ) -> dict[str, list[tuple[datetime, Decimal]]]:
        """The prices that each of some offers had in a span of time, by price_id."""
        ids = {f"{row['source']}:{row['offer_id']}": row["price_id"] for row in rows}
        prices: dict[str, list[tuple[datetime, Decimal]]] = {}
        with self.reading() as snapshot:
            changes = query_rows(
                snapshot.connection,
                "queries/offer_sparkline",
                {"keys": "\n".join(ids), "since": since, "until": until},
            )
        for row in changes:
            prices.setdefault(ids[row["key"]], []).append((row["observed_at"], row["amount"]))
        return prices

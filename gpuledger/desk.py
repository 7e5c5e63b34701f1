"""The questions that REST, the page and the MCP server share, each asked of one snapshot.

Nothing is computed here: this finds the snapshot, the clock and the settings, and calls the function of
`core` that the command line calls too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from gpuledger import quoting
from gpuledger.cli.prices import offer_row
from gpuledger.core.cheapest import cheapest_by_provider
from gpuledger.core.cost.answer import QuoteSet
from gpuledger.core.cost.frontier import Point, frontier
from gpuledger.core.cost.market.own_terms import Overrides
from gpuledger.core.cost.market.snapshot import LedgerMarket
from gpuledger.core.cost.question import QuoteOptions, market_filter
from gpuledger.core.cost.quote import quote
from gpuledger.core.errors import StoreBusyError
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.store import history, sql
from gpuledger.core.store.offers import OfferQuery, offers, page
from gpuledger.core.store.quotes import keep_quote, kept_quote
from gpuledger.core.store.sandbox import run_query
from gpuledger.core.store.snapshot_pool import Served, SnapshotPool

SQL_SECONDS = 20.0
SQL_ROWS = 10_000
SQL_MIB = 64
SQL_AT_ONCE = 2
"""Per process that serves; each may take a gigabyte."""
SQL_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Rows:
    """Rows of an answer, how many there are in all, and the snapshot they are from."""

    rows: list[dict[str, Any]]
    total: int


class Desk:
    """One ledger's answers.

    Args:
        clock: what time it is; decides which prices are stale.
    """

    def __init__(
        self, pool: SnapshotPool, *, clock: Callable[[], datetime], environ: Mapping[str, str]
    ) -> None:
        self.pool = pool
        self.clock = clock
        self._environ = environ
        self._queries = threading.BoundedSemaphore(SQL_AT_ONCE)

    @contextmanager
    def reading(self, number: int | None = None) -> Generator[Served]:
        """The snapshot that one answer is from, see `SnapshotPool.reading`."""
        with self.pool.reading(number) as served:
            yield served

    def offers(self, served: Served, wanted: OfferQuery, *, as_of: datetime | None = None) -> Rows:
        """One page of offers."""
        at = as_of or self.clock()
        found = page(served.connection, wanted, at=at, as_of=as_of)
        return Rows([offer_row(offer, at) for offer in found.offers], found.total)

    def cheapest(
        self, served: Served, wanted: OfferQuery, *, as_of: datetime | None, allow_stale: bool
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """The cheapest offer of each provider with its rank, and what one should know of the ranking."""
        at = as_of or self.clock()
        found = offers(served.connection, wanted, at=at, as_of=as_of)
        answer = cheapest_by_provider(found, at=at, allow_stale=allow_stale)
        rows = [
            offer_row(entry.offer, at) | {"rank": rank, "note": entry.note}
            for rank, entry in enumerate(answer.ranking, start=1)
        ]
        return rows, list(answer.remarks)

    def intervals(
        self,
        served: Served,
        wanted: OfferQuery,
        *,
        since: datetime | None,
        until: datetime | None,
    ) -> list[dict[str, Any]]:
        """Prices over time, one row per offer and interval."""
        return history.price_intervals(served.connection, wanted, since=since, until=until, now=self.clock())

    def series(
        self,
        served: Served,
        wanted: OfferQuery,
        *,
        since: datetime | None,
        until: datetime | None,
        every: str,
        stat: str,
    ) -> list[dict[str, Any]]:
        """Prices over time, one row per step."""
        return history.price_series(
            served.connection,
            wanted,
            since=since,
            until=until or self.clock(),
            every=history.interval(every),
            stat=stat,
        )

    def chart(self, served: Served, query: str, named: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of one of the queries `price_chart_...`."""
        return sql.rows(served.connection, f"queries/{query}", named)

    def sparklines(
        self, served: Served, rows: Sequence[Mapping[str, Any]], since: datetime
    ) -> dict[str, list[tuple[datetime, Decimal]]]:
        """The prices that each of some offers had since a time, by price_id."""
        keys = {f"{row['source']}:{row['offer_id']}": row["price_id"] for row in rows}
        found: dict[str, list[tuple[datetime, Decimal]]] = {}
        for row in sql.rows(
            served.connection, "queries/offer_sparkline", {"keys": "\n".join(keys), "since": since}
        ):
            found.setdefault(keys[row["key"]], []).append((row["observed_at"], row["amount"]))
        return found

    def listing(self, served: Served, query: str) -> list[dict[str, Any]]:
        """Rows of a query without parameters, such as `gpus`."""
        return sql.rows(served.connection, f"queries/{query}")

    def status(self, served: Served) -> list[dict[str, Any]]:
        """Freshness and last run of each source."""
        return sql.rows(served.connection, "queries/status", {"now": self.clock()})

    def quote(
        self, served: Served, plan: TrainingPlan, asked: QuoteOptions, *, as_of: datetime | None
    ) -> QuoteSet:
        """The ranking of a plan, kept for `explained`.

        Raises:
            EstimateError: the plan cannot be estimated or priced; says why.
        """
        now = self.clock()
        found = quote(
            plan, self._market(served, plan, asked, as_of, now), as_of=as_of, now=now, options=asked
        )
        for one in found.quotes:
            keep_quote(self.pool.home, one.quote_id, {"plan": found.plan, **one.to_dict()})
        return found

    def frontier(
        self, served: Served, plan: TrainingPlan, asked: QuoteOptions, *, as_of: datetime | None
    ) -> list[Point]:
        """The ways to run a plan that no other beats in cost, time and risk at once."""
        now = self.clock()
        return frontier(plan, self._market(served, plan, asked, as_of, now), now=now, options=asked)

    def _market(
        self,
        served: Served,
        plan: TrainingPlan,
        asked: QuoteOptions,
        as_of: datetime | None,
        now: datetime,
    ) -> LedgerMarket:
        return LedgerMarket(
            served.connection,
            market_filter(plan, asked),
            as_of=as_of,
            at=as_of or now,
            allow_stale=asked.allow_stale,
            kept=served.kept,
        )

    def overrides(self) -> Overrides:
        """The own terms of whoever serves, read anew for every answer; see `gpuledger.quoting.overrides`."""
        return quoting.overrides(self.pool.home, self._environ)

    def kept(self, quote_id: str) -> dict[str, Any]:
        """A quote as it was kept.

        Raises:
            NoOfferError: none of that id.
            UsageError: not the form of an id.
        """
        return kept_quote(self.pool.home, quote_id)

    def explained(self, served: Served, quote_id: str) -> dict[str, Any]:
        """The chain from a kept quote's dollars to stored bytes."""
        return quoting.explained(self.pool.home, quote_id, lambda: nullcontext(served.connection))

    def query(self, text: str) -> list[dict[str, Any]]:
        """Rows of a stranger's SQL.

        Raises:
            UsageError: not one read-only query, an error in it, too slow or too many rows.
            StoreBusyError: other queries run already, as many as may at once.
        """
        if not self._queries.acquire(timeout=SQL_WAIT_SECONDS):
            raise StoreBusyError(f"sql: {SQL_AT_ONCE} queries run already; try again in a while")
        try:
            return run_query(
                self.pool.home.path,
                text,
                timeout_seconds=SQL_SECONDS,
                max_rows=SQL_ROWS,
                max_mib=SQL_MIB,
                threads=2,
            )
        finally:
            self._queries.release()


def is_stale(rows: list[dict[str, Any]]) -> int:
    """How many rows rest on a price that is past its freshness target or no longer listed."""
    return sum(row.get("price_state") in ("stale", "unlisted") for row in rows)


def plan_of(content: Mapping[str, Any]) -> TrainingPlan:
    """The plan that a mapping holds; `{"preset": NAME}` is the plan of that name.

    Raises:
        InvalidPlanError: a key is unknown, missing or out of bounds.
    """
    from gpuledger.core.plan import plan_from_mapping, preset_plan

    if set(content) == {"preset"}:
        return preset_plan(str(content["preset"]))
    return plan_from_mapping(content)

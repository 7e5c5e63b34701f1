# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Many runs of an archive into the ledger at once.

To plan the statements that weigh and record one run takes some 80 ms, and what they do with a small run next to
nothing. So runs that need no evidence beside their own source's state are compared with it in memory, and written
together before the next run that does; `record` and this leave the same rows, in the same order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import duckdb
import pyarrow as pa

from gpuledger.core.alias import Aliases
from gpuledger.core.offer import ExchangeRate, MarketSample, Offer
from gpuledger.core.store import sql
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.database import transaction
from gpuledger.core.store.plain_run import apply, plain_run
from gpuledger.core.store.record import append_side_facts, record
from gpuledger.core.store.run_rows import COLUMNS, LogRow, append_rows, document_rows, run_row, skipped_rows
from gpuledger.core.store.source_state import OfferState, SourceState

MOST_OFFERS = 50_000
"""Of a run whose offers are kept to compare with; a larger one is recorded by itself."""

_STATE = {
    name: kind
    for name, kind in {
        **COLUMNS["stock_change"],
        **COLUMNS["price_change"],
        "changed_at": COLUMNS["price_change"]["observed_at"],
        "stock_changed_at": COLUMNS["price_change"]["observed_at"],
    }.items()
    if name != "observed_at"
}

_DATED = (ExchangeRate, MarketSample)
"""Facts of one moment, which the next run never repeats."""


@dataclass
class RunStack:
    """Runs in the order of their names, some of which wait to be written."""

    connection: duckdb.DuckDBPyConnection
    aliases: Aliases
    _rows: dict[str, list[LogRow]] = field(default_factory=lambda: defaultdict(list))
    _changed: dict[int, OfferState] = field(default_factory=dict[int, OfferState])
    _sources: dict[str, SourceState] = field(default_factory=lambda: defaultdict(SourceState))
    _has_new_rates: bool = False
    """Whether a run that waits brought exchange rates."""
    _next: tuple[int, int] | None = None
    """The numbers of the next run and of its first document."""

    def add(self, batch: Batch) -> None:
        """Take one run; what the stack writes is complete after `write`. Only inside a transaction."""
        if batch.outcome != "accepted":
            self._append(batch)
        elif not self._take(batch):
            self.write()
            self._record(batch)

    def write(self) -> None:
        """Write the runs that wait."""
        with transaction(self.connection):
            for table in COLUMNS:
                append_rows(self.connection, table, self._rows.pop(table, ()))
            if self._changed:
                states = list(self._changed.values())
                columns = {
                    name: pa.array([getattr(state, name) for state in states], kind)
                    for name, kind in _STATE.items()
                }
                with sql.registered(self.connection, stacked=pa.table(columns)):
                    self.connection.execute(sql.text("record/stacked_current"))
                self._changed.clear()
            self._has_new_rates = False

    def _record(self, batch: Batch) -> None:
        record(self.connection, batch, self.aliases)
        self._next = None
        if batch.decision is not None:
            for state in self._sources.values():
                state.is_current = False
            return
        state = self._sources[batch.manifest.source]
        state.is_current = False
        if batch.kind == "live" and len(batch.offers) <= MOST_OFFERS:
            state.shown |= {
                entry.fact.offer_id: entry.fact for entry in batch.offers if isinstance(entry.fact, Offer)
            }
            state.side_facts = batch.side_facts
            state.last_observed_at = batch.manifest.observed_at

    def _numbers(self) -> tuple[int, int]:
        if self._next is None:
            row = sql.first(
                self.connection,
                "select (select coalesce(max(run_no), 0) from scrape_run) + 1,"
                " (select coalesce(max(document_no), 0) from document) + 1",
            )
            assert row is not None
            self._next = row
        return self._next

    def _take(self, batch: Batch) -> bool:
        """Put an accepted run on the stack, where its claims need no evidence."""
        name = batch.manifest.source
        state = self._sources.get(name)
        if (
            state is None
            or batch.kind != "live"
            or batch.decision is not None
            or batch.weighing is None
            or len(batch.offers) > MOST_OFFERS
        ):
            return False
        run_no, first_document = self._numbers()
        if not state.is_current:
            state.read(self.connection, name, run_no=run_no - 1)
        if state.has_disputes:
            return False
        others = [other for other in self._sources.values() if other is not state]
        plain = plain_run(batch, state, others, partial(self._rates, batch))
        if plain is None:
            return False
        at = batch.manifest.observed_at
        changes = 0
        for difference in plain.differences:
            price, stock = apply(difference, run_no=run_no, first_document=first_document, at=at)
            if price is not None:
                self._rows["price_change"].append(price)
                changes += 1
            if stock is not None:
                self._rows["stock_change"].append(stock)
            self._changed[difference.state.offer_no] = difference.state
        state.past_until_run_no = run_no
        state.last_observed_at = at
        state.shown.update(plain.shown)
        self._side_facts(batch, state, run_no)
        self._append(batch, changes=changes)
        return True

    def _side_facts(self, batch: Batch, state: SourceState, run_no: int) -> None:
        is_dated = any(isinstance(fact, _DATED) for fact in batch.side_facts)
        if is_dated or batch.side_facts != state.side_facts:
            manifest = batch.manifest
            parameters = {"run_no": run_no, "source": manifest.source, "observed_at": manifest.observed_at}
            append_side_facts(self.connection, batch.side_facts, parameters)
            state.side_facts = batch.side_facts
            self._has_new_rates |= any(isinstance(fact, ExchangeRate) for fact in batch.side_facts)

    def _append(self, batch: Batch, *, changes: int = 0) -> None:
        run_no, first_document = self._numbers()
        is_weighed = batch.outcome == "accepted" and batch.weighing is not None
        row = run_row(batch, run_no, change_count=changes, disputed_count=0 if is_weighed else None)
        self._rows["scrape_run"].append(row)
        self._rows["document"] += document_rows(batch.manifest, run_no, first_document)
        self._rows["skipped_row"] += skipped_rows(batch.skipped, run_no)
        self._next = run_no + 1, first_document + len(batch.manifest.documents)

    def _rates(self, batch: Batch) -> Mapping[str, float]:
        """The rates that were known when the run started."""
        if all(entry.fact.price.currency == "USD" for entry in batch.offers if isinstance(entry.fact, Offer)):
            return {"USD": 1.0}
        if self._has_new_rates:
            # they are found by their run's row
            self.write()
        rows = sql.rows(self.connection, "record/rates_before", {"started_at": batch.manifest.started_at})
        return {row["currency"]: row["usd_per_unit"] for row in rows}

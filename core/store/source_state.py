"""The state of one source's offers in memory, so that a run may be compared with it without asking the database."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter

import duckdb

from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.offer import Offer
from gpuledger.core.store import sql
from gpuledger.core.store.staging import SideFact

REMEMBERED = timedelta(days=30)
"""How far back `sql/evidence/40_past.sql` looks for what an offer cost."""

_HOURS = float(HOURS_PER_MONTH)


@dataclass(frozen=True, slots=True)
class PastPrice:
    """From when an offer cost so much."""

    at: datetime
    price: float
    """Per GPU-hour, in its currency."""
    currency: str


PriceTerms = tuple[Decimal | None, Decimal | None, str | None, str | None]
"""Amount, upfront amount, currency and unit."""


@dataclass(slots=True, kw_only=True)
class OfferState:
    """A row of `offer_current` with the terms of its offer."""

    offer_no: int
    offer_id: str
    changed_at: datetime
    amount: Decimal | None
    upfront_amount: Decimal | None
    currency: str | None
    unit: str | None
    effective_at: datetime | None
    run_no: int
    document_no: int | None
    availability: str
    stock_changed_at: datetime
    shape_hash: int | None
    provider: str
    purchase_option: str
    term: float
    """Months; 0: none."""
    gpu_count: float
    gpu: str
    sku: str
    region: str
    kin_key: int
    product_key: int
    way: int
    ways_key: int
    past: list[PastPrice] = field(default_factory=list[PastPrice])
    """Prices that held within the last 30 days, the oldest first."""
    withdrawn_price: PriceTerms | None = None
    """Of one that is withdrawn, what it cost last, where that is known."""

    def price_of(
        self, amount: Decimal, upfront_amount: Decimal | None, unit: str, usd_per_unit: float = 1.0
    ) -> float:
        """Per GPU-hour, step by step as the macro `usd_double` computes it."""
        value, term = float(amount), self.term if self.term > 0 else 1.0
        if unit == "gpu_hour":
            value *= self.gpu_count
        elif unit == "month":
            value /= _HOURS
        elif unit == "term":
            value /= term * _HOURS
        once = 0.0 if upfront_amount is None else float(upfront_amount) / (term * _HOURS)
        return (value + once) * usd_per_unit / self.gpu_count

    def remember(self, past: PastPrice, now: datetime) -> None:
        """Note a price, and forget those that no longer held 30 days ago."""
        # what was accepted late holds from when it was first seen
        insort(self.past, past, key=attrgetter("at"))
        while len(self.past) > 1 and self.past[1].at <= now - REMEMBERED:
            del self.past[0]


def may_have_cost(
    whole: Sequence[float], states: Sequence[OfferState], usd_per_unit: Mapping[str, float]
) -> bool:
    """Whether a machine of these cost one of the prices, in US dollars for the whole of it, as
    `gpuledger.core.evidence.moves.taken_over` asks; also where that is not known."""
    for state in states:
        rate = usd_per_unit.get(str(state.currency))
        if rate is None or state.amount is None:
            return True
        usd = state.price_of(state.amount, state.upfront_amount, str(state.unit), usd_per_unit=rate)
        if any(abs(usd * state.gpu_count - other) < 0.002 for other in whole):
            return True
    return False


@dataclass(kw_only=True)
class SourceState:
    """All offers of a source, and what its last accepted run showed."""

    offers: dict[str, OfferState] = field(default_factory=dict[str, OfferState])
    shown: dict[str, Offer] = field(default_factory=dict[str, Offer])
    """The offers as they were last shown, by `offer_id`."""
    side_facts: Sequence[SideFact] | None = None
    """Of the last accepted run."""
    has_disputes: bool = True
    """Whether a claim of it waits; what becomes of one hangs on what other sources say."""
    is_current: bool = False
    """Whether the database has changed nothing since."""
    past_until_run_no: int = 0
    """The run up to which `OfferState.past` is complete."""
    at_one_machine: dict[int, list[OfferState]] = field(default_factory=dict[int, list[OfferState]])
    """The ways to buy one machine in one place, by `ways_key`."""
    of_gpu: dict[tuple[str, str], list[OfferState]] = field(
        default_factory=dict[tuple[str, str], list[OfferState]]
    )
    """Offers without a term, by GPU and purchase option."""
    last_observed_at: datetime | None = None
    """When its last accepted run observed."""

    def read(self, connection: duckdb.DuckDBPyConnection, source: str, *, run_no: int) -> None:
        """Bring it up to date with the database.

        Args:
            run_no: the last run that the database has.
        """
        former = {state.offer_no: state for state in self.offers.values()}
        rows = sql.rows(connection, "record/source_state", {"source": source})
        by_number = {row["offer_no"]: OfferState(**row) for row in rows}
        for number, state in by_number.items():
            before = former.get(number)
            if before is not None:
                state.past = before.past
                if before.changed_at == state.changed_at:
                    state.withdrawn_price = before.withdrawn_price
        parameters = {"source": source, "after_run_no": self.past_until_run_no}
        for row in sql.rows(connection, "record/source_past", parameters):
            state = by_number[row["offer_no"]]
            state.remember(PastPrice(row["observed_at"], row["price"], row["currency"]), row["observed_at"])
        self.offers = {state.offer_id: state for state in by_number.values()}
        self.at_one_machine, self.of_gpu = defaultdict(list), defaultdict(list)
        for state in self.offers.values():
            self.at_one_machine[state.ways_key].append(state)
            if not state.term:
                self.of_gpu[state.gpu, state.purchase_option].append(state)
        disputes = "select 1 from disputed_latest where source = $1 limit 1"
        self.has_disputes = sql.first(connection, disputes, [source]) is not None
        self.past_until_run_no, self.is_current = run_no, True

"""Thousands of plans against one market in memory, several processes at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gpuledger.core.cost.market.offers import ListMarket, Market, MarketFilter
from gpuledger.core.cost.market.side_prices import SidePrices
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.parallel import in_processes
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.store.offers import LatestOffer

WORTH_PREPARING = 30
"""Plans below which reading every offer takes longer than asking the snapshot for each plan."""


def ranking_of(
    plan: TrainingPlan,
    options: QuoteOptions,
    market_of: Callable[[Question], Market],
    *,
    as_of: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """The ranking of one plan of many as `QuoteSet.to_dict` gives it, or its error under `error`."""
    try:
        # nobody reads what was published beside thousands of answers
        question = Question.of(plan, replace(options, no_evidence=True), as_of=as_of, now=now)
        return quote(question, market_of(question)).to_dict()
    except GPULedgerError as error:
        return {"plan": plan.name, "error": str(error)}


@dataclass
class PreparedMarket:
    """A market prepared for many plans: each filter sorts the offers once."""

    offers: Sequence[LatestOffer]
    now: datetime
    as_of: datetime | None = None
    options: QuoteOptions = field(default_factory=QuoteOptions)
    surroundings: SidePrices | None = None
    snapshot: int = 0
    _markets: dict[MarketFilter, ListMarket] = field(default_factory=dict[MarketFilter, ListMarket])

    def answer(self, plan: TrainingPlan) -> dict[str, Any]:
        """The ranking of one plan as `QuoteSet.to_dict` gives it, or its error under `error`."""
        return ranking_of(plan, self.options, self._market, as_of=self.as_of, now=self.now)

    def answers(self, plans: Sequence[TrainingPlan], workers: int = 1) -> Iterator[dict[str, Any]]:
        """The rankings in the order of the plans."""
        if plans:
            # what it prepares is there before processes are forked, which then share it
            self.answer(plans[0])
        # millions of small objects that stay: the collector need not look at them again and again
        gc.collect()
        is_frozen = gc.get_freeze_count() > 0  # by the program that asks: it stays so
        gc.freeze()
        try:
            yield from in_processes(self.answer, plans, workers)
        finally:
            if not is_frozen:
                gc.unfreeze()

    def _market(self, question: Question) -> ListMarket:
        if question.offers not in self._markets:
            self._markets[question.offers] = ListMarket(
                self.offers,
                question.offers,
                at=question.moment,
                allow_stale=self.options.allow_stale,
                surroundings=self.surroundings,
                snapshot=self.snapshot,
            )
        return self._markets[question.offers]

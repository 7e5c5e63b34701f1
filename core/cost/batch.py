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
from gpuledger.core.cost.search import hardware_of
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.estimate.sweep import HardwareChoices, in_groups
from gpuledger.core.parallel import slices_in_processes
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.store.offer_table import OfferTable
from gpuledger.core.store.offers import LatestOffer

WORTH_PREPARING = 30
"""Plans below which reading every offer takes longer than asking the snapshot for each plan."""


def rankings(
    plans: Sequence[TrainingPlan],
    options: QuoteOptions,
    market_of: Callable[[Question], Market],
    *,
    as_of: datetime | None,
    now: datetime,
) -> list[dict[str, Any]]:
    """The ranking of each of some plans as `QuoteSet.to_dict` gives it, or its error under `error`.

    The hours of plans that run on the same hardware are computed together.
    """
    # nobody reads what was published beside thousands of answers
    options = replace(options, no_evidence=True)
    made: dict[int, dict[str, Any]] = {}
    questioned: dict[int, tuple[Question, Market]] = {}
    by_hardware: dict[HardwareChoices, list[int]] = {}
    for position, plan in enumerate(plans):
        try:
            question = Question.of(plan, options, as_of=as_of, now=now)
            market = market_of(question)
        except GPULedgerError as error:
            made[position] = {"plan": plan.name, "error": str(error)}
            continue
        questioned[position] = question, market
        by_hardware.setdefault(hardware_of(question, market), []).append(position)
    for on, positions in by_hardware.items():
        for group in in_groups([plans[position] for position in positions], on):
            for number in group:
                position = positions[number]
                made[position] = _answered(*questioned[position])
    return [made[position] for position in range(len(plans))]


def _answered(question: Question, market: Market) -> dict[str, Any]:
    try:
        return quote(question, market).to_dict()
    except GPULedgerError as error:
        return {"plan": question.plan.name, "error": str(error)}


@dataclass
class PreparedMarket:
    """A market prepared for many plans: each filter sorts the offers once."""

    offers: Sequence[LatestOffer] | OfferTable
    now: datetime
    as_of: datetime | None = None
    options: QuoteOptions = field(default_factory=QuoteOptions)
    surroundings: SidePrices | None = None
    snapshot: int = 0
    _markets: dict[MarketFilter, ListMarket] = field(default_factory=dict[MarketFilter, ListMarket])

    def answers(self, plans: Sequence[TrainingPlan], workers: int = 1) -> Iterator[dict[str, Any]]:
        """The rankings in the order of the plans."""
        # what one answer prepares is there before processes are forked, which then share it
        self._answers(plans[:1])
        # millions of small objects that stay: the collector need not look at them again and again
        gc.collect()
        is_frozen = gc.get_freeze_count() > 0  # by the program that asks: it stays so
        gc.freeze()
        try:
            yield from slices_in_processes(self._answers, plans, workers)
        finally:
            if not is_frozen:
                gc.unfreeze()

    def _answers(self, plans: Sequence[TrainingPlan]) -> list[dict[str, Any]]:
        return rankings(plans, self.options, self._market, as_of=self.as_of, now=self.now)

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

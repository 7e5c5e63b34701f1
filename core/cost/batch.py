"""Thousands of plans against one market in memory, several processes at once."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.cost.market import ListMarket, MarketFilter
from core.cost.quote import quote
from core.cost.request import QuoteOptions, market_filter
from core.cost.surroundings import Surroundings
from core.errors import GPULedgerError
from core.plan import TrainingPlan
from core.store.lookup import LatestOffer

SLICES_PER_WORKER = 8
WORTH_A_PROCESS = 50
"""Plans below which starting processes takes longer than it saves."""


@dataclass
class Batch:
    """A market prepared for many plans: each filter sorts the offers once."""

    offers: Sequence[LatestOffer]
    now: datetime
    as_of: datetime | None = None
    options: QuoteOptions = field(default_factory=QuoteOptions)
    surroundings: Surroundings | None = None
    snapshot: int = 0
    _markets: dict[MarketFilter, ListMarket] = field(default_factory=dict[MarketFilter, ListMarket])

    def answer(self, plan: TrainingPlan) -> dict[str, Any]:
        """The ranking of one plan as `QuoteSet.to_dict` gives it, or its error under `error`."""
        try:
            wanted = market_filter(plan, self.options)
            market = self._market(wanted)
            return quote(plan, market, as_of=self.as_of, now=self.now, options=self.options).to_dict()
        except GPULedgerError as error:
            return {"plan": plan.name, "error": str(error)}

    def answers(self, plans: Sequence[TrainingPlan], workers: int = 1) -> Iterator[dict[str, Any]]:
        """The rankings in the order of the plans."""
        # millions of small objects that stay: the collector need not look at them again and again
        gc.collect()
        gc.freeze()
        try:
            yield from self._answers(plans, workers)
        finally:
            gc.unfreeze()

    def _answers(self, plans: Sequence[TrainingPlan], workers: int) -> Iterator[dict[str, Any]]:
        if workers == 1 or len(plans) < WORTH_A_PROCESS:
            yield from map(self.answer, plans)
            return
        size = -(-len(plans) // (workers * SLICES_PER_WORKER))
        slices = [plans[start : start + size] for start in range(0, len(plans), size)]
        # forked, so that the offers are shared and not sent
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, context, initializer=_adopt, initargs=(self,)) as pool:
            for part in pool.map(_answer_slice, slices):
                yield from part

    def _market(self, wanted: MarketFilter) -> ListMarket:
        if wanted not in self._markets:
            self._markets[wanted] = ListMarket(
                self.offers,
                wanted,
                at=self.as_of or self.now,
                allow_stale=self.options.allow_stale,
                surroundings=self.surroundings,
                snapshot=self.snapshot,
            )
        return self._markets[wanted]


# the batch of a worker process, set once when the process starts
_adopted: list[Batch] = []


def _adopt(batch: Batch) -> None:
    _adopted[:] = [batch]


def _answer_slice(plans: Sequence[TrainingPlan]) -> list[dict[str, Any]]:
    return [_adopted[0].answer(plan) for plan in plans]

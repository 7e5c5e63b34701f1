"""The best purchases for a plan out of a market of any size."""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from gpuledger.core.cost.configurations import (
    Configuration,
    Configurations,
    LeastNeed,
    Limits,
    configurations,
    has_host_memory,
    offloads,
)
from gpuledger.core.cost.cost_lines import Terms, certain, lines, total
from gpuledger.core.cost.evaluation import Entry, Evaluation, cost_order, loose, rank_key
from gpuledger.core.cost.left_out import PRICE_LAPSED, by_count, nothing
from gpuledger.core.cost.market.offers import (
    ALIVE,
    OLDER,
    Bounds,
    ListMarket,
    Machine,
    Market,
    OfferCandidate,
    Shelf,
    machine_of,
    shape_of,
)
from gpuledger.core.cost.market.own_terms import Overrides, credits_at, plan_credits
from gpuledger.core.cost.purchase import early_stop, purchase, runs_of, spot_terms
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.spot import expectation
from gpuledger.core.errors import DoesNotFitError, NoOfferError
from gpuledger.core.estimate.sweep import HardwareChoices
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.store.offers import LatestOffer
from gpuledger.core.validity import LAPSED_RANK, REMEMBERED

# half a cent: each line of a total may be rounded down by so much
ROUNDING_USD = 0.005
ENDLESS = "interrupted so often, or so slow, that the run would not end"
OLDER_TRIED = 60
"""Older offers of one state that are looked at, the least possible total first."""
ROUNDED_COSTS = ("utilisation", "failed_run_factor", "trials", "experiments")


class Context(NamedTuple):
    """What every evaluation of one question shares."""

    question: Question
    market: Market

    @property
    def plan(self) -> TrainingPlan:
        return self.question.plan

    @property
    def overrides(self) -> Overrides:
        return self.question.options.overrides

    @property
    def checkpoint_gb(self) -> Decimal | None:
        return self.question.checkpoint_gb

    @property
    def deadline_hours(self) -> float | None:
        return self.question.deadline_hours


class Least(NamedTuple):
    """Lower bounds of what a number of instances comes to."""

    usd: float
    hours: float
    risk: float
    """Expected interruptions."""


class Side(NamedTuple):
    """A market, and what the plan needs of each of its shapes."""

    market: Market
    bounds: Bounds


class Selection:
    """All ways to run a plan on the offers of a market, looked at best first.

    A lower bound of the total (the list price for the least hours) orders the offers, so that the search
    ends once no further offer can be among the best. The answer is the same as from looking at all.
    """

    def __init__(
        self,
        question: Question,
        market: Market,
        *,
        is_wide: bool = False,
        options: Configurations | None = None,
    ) -> None:
        plan, own, deadline = question.plan, question.options.overrides, question.deadline_hours
        markets = _markets(question, market)
        self._options = options or Configurations(
            plan,
            _machines(markets),
            _limits(question, is_wide=is_wide or deadline is not None),
            question.options.measurements,
        )
        self._endless: set[str] = set()
        self._without_host_memory = set[str]()
        self._may_lapse = question.options.allow_stale
        self._ranks_lapsed = False
        self.context = Context(question=question, market=market)
        self._runs = runs_of(plan)
        least = self._options.least(deadline, early_stop(plan))
        self._sides = [Side(each, self._bounds(each.shelf, least)) for each in markets]
        self._credits = (*plan_credits(plan), *question.credits)
        credit = sum((credit.usd for credit in (*own.credits, *self._credits)), Decimal(0))
        rounded = 3 + sum(getattr(plan.costs, name) is not None for name in ROUNDED_COSTS)
        self._slack = float(credit - certain(plan.costs)) + ROUNDING_USD * rounded
        """By how much a total may lie under the price of its hours."""

    def _bounds(self, shelf: Shelf, least: LeastNeed) -> Bounds:
        places = shelf.places(self._options.machines)
        factor, contracted = np.ones(len(places)), dict[int, Decimal]()
        if self.context.overrides.rules:
            for place, shape in enumerate(shelf.shapes):
                rule = self.context.overrides.rule(shape.provider, shape.gpu_id, shape.purchase_option)
                if rule is not None and rule.off is not None:
                    factor[place] = float(1 - rule.off)
                if rule is not None and rule.usd_per_gpu_hour is not None:
                    contracted[place] = rule.usd_per_gpu_hour
        return Bounds(
            is_open=self._options.can_run[places],
            misses_deadline=least.misses_deadline[places],
            hours=least.hours[places] * self._runs,
            units=least.units[places],
            factor=factor,
            contracted=contracted,
        )

    def _candidates(self, states: Collection[int] = ALIVE) -> Iterator[OfferCandidate]:
        ranking = [side.market.candidates(side.bounds, states) for side in self._sides]
        if len(ranking) == 1:
            return ranking[0]
        return heapq.merge(*ranking, key=lambda candidate: (*candidate[:3], candidate.offer.price_id))

    def best(self, limit: int) -> list[Entry]:
        """The `limit` best purchases, one of each offer. Lapsed prices only where stale ones are allowed and there
        is nothing else."""
        ranking = self._best(limit, self._candidates())
        if not ranking and self._may_lapse:
            ranking = self._best(limit, self._candidates((LAPSED_RANK,)))
            self._ranks_lapsed = bool(ranking)
        return ranking

    def _best(self, limit: int, candidates: Iterator[OfferCandidate]) -> list[Entry]:
        ranking: list[Entry] = []
        for candidate in candidates:
            worst = ranking[-1][0] if len(ranking) >= limit else None
            floor = candidate.floor_usd * (1 - 1e-9) - self._slack
            if worst is not None and (candidate.misses_deadline, candidate.state_class, floor) > loose(worst):
                break
            is_same_class = worst is not None and candidate.state_class == worst[1] and not worst[0]
            most = float(worst[2]) if worst is not None and is_same_class else math.inf
            evaluation = self._evaluate(candidate.offer, most)
            if evaluation is not None:
                entry = (rank_key(candidate.state_class, evaluation), evaluation)
                insort(ranking, entry, key=lambda entry: entry[0])
                del ranking[limit:]
        return ranking

    def of_each(self, candidates: Iterator[OfferCandidate]) -> list[Entry]:
        """The best purchase of each provider among some candidates, the best first."""
        best: dict[str, Entry] = {}
        for candidate in candidates:
            evaluation = self._evaluate(candidate.offer)
            if evaluation is not None:
                entry = (rank_key(candidate.state_class, evaluation), evaluation)
                former = best.get(candidate.offer.provider)
                if former is None or entry[0] < former[0]:
                    best[candidate.offer.provider] = entry
        return sorted(best.values(), key=lambda entry: entry[0])

    def within(self, plan: TrainingPlan) -> Selection | None:
        """The ways to run the same plan under another `constraints.max_wall_days`; `None` where they are the same."""
        options = self._options.within(plan)
        if options is None:
            return None
        return Selection(replace(self.context.question, plan=plan), self.context.market, options=options)

    @property
    def bounds(self) -> Bounds:
        """The least that the plan needs of each shape of the market."""
        return self._sides[0].bounds

    def cheaper_but_older(self, first: Entry, at: datetime) -> Evaluation | None:
        """The cheapest purchase at an older price, stale or lapsed not long ago, that would cost less than the
        first and keep the deadline."""
        best: Evaluation | None = None
        usd = first[1].total.mid
        for state in OLDER:
            if state <= first[0][1]:
                continue
            tried = 0
            for candidate in self._candidates((state,)):
                floor = candidate.floor_usd * (1 - 1e-9) - self._slack
                if candidate.misses_deadline or floor >= usd or tried >= OLDER_TRIED:
                    break
                if candidate.offer.age(at) > REMEMBERED:
                    continue
                tried += 1
                evaluation = self._evaluate(candidate.offer, float(usd))
                if evaluation is not None and not evaluation.misses_deadline and evaluation.total.mid < usd:
                    best, usd = evaluation, evaluation.total.mid
        return best

    def every(self, offer_limit: int) -> Iterator[tuple[OfferCandidate, Configuration, Least]]:
        """Every number of instances of the first offers, for a frontier; `evaluated` says what it comes to."""
        for position, candidate in enumerate(self._candidates()):
            if position >= offer_limit:
                return
            for option in self._options_on(candidate.offer):
                yield candidate, option, self._least(candidate.offer, option)

    def cheapest_per_gpu_hour(self) -> Evaluation | None:
        """The offer that an order by price per GPU-hour puts first, with what the plan comes to there."""
        for _, side, place in heapq.merge(*map(_by_price, self._sides), key=lambda shape: shape[0]):
            only = side.bounds.per_hour(place, side.market.shelf.shapes[place].gpu_count)
            for candidate in side.market.candidates(only):
                evaluation = self._evaluate(candidate.offer)
                if evaluation is not None:
                    return evaluation
        return None

    def _evaluate(self, offer: LatestOffer, most: float = math.inf) -> Evaluation | None:
        """The number of instances that costs least; in time, if any is. `None` where none is below
        `most`."""
        best: Evaluation | None = None
        options = self._options_on(offer)
        if not options:
            self._without_host_memory.add(offer.price_id)
            return None
        is_endless = True
        for option in sorted(options, key=self._hours):
            floor = self._floor(offer, option)
            is_endless = is_endless and math.isinf(floor)
            if floor > most or (best is not None and not best.misses_deadline and floor > best.total.mid):
                continue
            evaluation = self.evaluated(offer, option)
            if evaluation is not None and (best is None or cost_order(evaluation) < cost_order(best)):
                best = evaluation
        if best is None and is_endless:
            self._endless.add(offer.price_id)
        return best

    def _options_on(self, offer: LatestOffer) -> list[Configuration]:
        """The numbers of an offer that run the plan and whose machines have the memory that offloading takes."""
        options = self._options.of_machine(machine_of(shape_of(offer)))
        if not offloads(self.context.question.plan):
            return options
        return [option for option in options if has_host_memory(offer, option)]

    def _hours(self, option: Configuration) -> float:
        return option.units * option.wall_hours * self._runs

    def _floor(self, offer: LatestOffer, option: Configuration) -> float:
        return self._least(offer, option).usd

    def _least(self, offer: LatestOffer, option: Configuration) -> Least:
        """Lower bounds with expected interruptions: the machines alone, in floats and so quickly."""
        job = self.context
        price = float(offer.usd_per_hour or 0)
        rule = job.overrides.rule(offer.provider, offer.gpu_id, offer.purchase_option)
        if rule is not None:
            price = float(rule.price(offer))
        hours, running, risk = self._hours(option), option.wall_hours * early_stop(job.plan), 0.0
        if offer.purchase_option == "spot":
            spot = spot_terms(
                job.plan,
                offer,
                option,
                job.market.surroundings,
                checkpoint_gb=job.checkpoint_gb,
                levels=("mid",),
            )
            likely = expectation(running, spot.interruptions["mid"])
            hours *= likely.expected_hours / running if running else 1.0
            running, risk = likely.expected_hours, likely.interruptions
        term = float(offer.term_months or 0) * float(HOURS_PER_MONTH) * option.units
        # as exact as hours are written down
        running = running * (1 - 1e-9) - 1e-9
        return Least(price * max(hours, term) * (1 - 1e-9) - self._slack, running, risk * (1 - 1e-9))

    def evaluated(self, offer: LatestOffer, option: Configuration) -> Evaluation | None:
        job = self.context
        surroundings = job.market.surroundings
        bought = purchase(job.plan, offer, option, surroundings, checkpoint_gb=job.checkpoint_gb)
        if bought is None:
            self._endless.add(offer.price_id)
            return None
        terms = Terms(
            rule=job.overrides.rule(offer.provider, offer.gpu_id, offer.purchase_option),
            credits=credits_at(offer.provider, (*self._credits, *job.overrides.credits)),
        )
        ranking = lines(job.plan, bought, surroundings, terms, checkpoint_gb=job.checkpoint_gb)
        late = job.deadline_hours is not None and bought.running_hours.mid > Decimal(repr(job.deadline_hours))
        return Evaluation(bought, ranking, total(ranking), terms, late)

    def refused(self) -> Counter[str]:
        """Offers that were looked at and cannot run the plan, counted by reason."""
        counts: Counter[str] = Counter()
        machines = self._options.machines
        for shelf in (side.market.shelf for side in self._sides):
            offers = np.bincount(shelf.places(machines), shelf.offers, len(machines))
            counts.update(self._options.refused_offers(offers))
        lapsed = sum(side.market.shelf.lapsed for side in self._sides)
        if lapsed and not self._ranks_lapsed:
            counts[PRICE_LAPSED] += lapsed
        if self._without_host_memory:
            counts["less host memory than offloading takes"] += len(self._without_host_memory)
        if self._endless:
            counts[ENDLESS] += len(self._endless)
        return counts

    def refusals(self) -> dict[Machine, str]:
        """Why no number of a machine runs the plan."""
        machines = self._options.machines
        return {machines[place]: reason for place, reason in self._options.refused.items()}

    def excluded(self) -> Mapping[str, int]:
        """All offers that are not quoted for a reason, the commonest first."""
        # a sum of counters leaves out what counts to zero
        return by_count(Counter(self.context.market.excluded()) + self.refused())

    def nothing(self) -> NoOfferError | DoesNotFitError:
        """Why there is no quote."""
        return nothing(self.context.plan, self.excluded())


def hardware_of(question: Question, market: Market) -> HardwareChoices:
    """What the plan may run on: of the machines on sale and of the user's own all numbers that are tried."""
    return configurations(_machines(_markets(question, market)), _limits(question)).hardware


def _markets(question: Question, market: Market) -> list[Market]:
    """The offers on sale, and the machines that the user owns."""
    owned = question.options.overrides.owned
    if not owned:
        return [market]
    offers = [machines.offer(question.now) for machines in owned]
    return [market, ListMarket(offers, question.offers, at=question.now)]


def _machines(markets: Sequence[Market]) -> tuple[Machine, ...]:
    if len(markets) == 1:
        return markets[0].shelf.machines
    return tuple(dict.fromkeys(machine for market in markets for machine in market.shelf.machines))


def _limits(question: Question, *, is_wide: bool = False) -> Limits:
    return Limits.of(
        question.plan,
        spec=question.spec,
        max_gpus=question.max_gpus,
        max_nodes=question.options.max_nodes,
        is_wide=is_wide,
    )


def _by_price(side: Side) -> Iterator[tuple[float, Side, int]]:
    """The open shapes of a market by the price per GPU-hour of their cheapest offer."""
    places = np.flatnonzero(side.bounds.is_open)
    least = side.market.shelf.least[places]
    for at in np.argsort(least, kind="stable"):
        yield float(least[at]), side, int(places[at])

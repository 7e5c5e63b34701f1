"""The best purchases for a plan out of a market of any size."""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.cost.amount import Amount
from core.cost.breakdown import CostLine, Terms, certain, lines, total
from core.cost.checkpoint import checkpoint_gb
from core.cost.hardware import Limits, Option, options
from core.cost.interruption import expectation
from core.cost.market import (
    HOURS_PER_MONTH,
    Bound,
    Candidate,
    ListMarket,
    Machine,
    Market,
    Shape,
    Stock,
    machine_of,
    shape_of,
)
from core.cost.override import Overrides
from core.cost.purchase import Purchase, purchase, spot_terms
from core.cost.request import QuoteOptions, market_filter, spec_of
from core.errors import DoesNotFitError, NoOfferError
from core.estimate.architecture import resolve
from core.estimate.workload import lora_parameters
from core.plan import TrainingPlan
from core.store.lookup import LatestOffer

# half a cent: each line of a total may be rounded down by so much
ROUNDING_USD = 0.005
ROUNDED_COSTS = ("utilisation", "failed_run_factor", "trials", "experiments")


class Context(NamedTuple):
    """What every evaluation of one question shares."""

    plan: TrainingPlan
    market: Market
    overrides: Overrides
    checkpoint_gb: Decimal | None
    deadline_hours: float | None


class Evaluation(NamedTuple):
    """A purchase with its lines and what they come to."""

    bought: Purchase
    lines: tuple[CostLine, ...]
    total: Amount
    terms: Terms
    misses_deadline: bool


Key = tuple[int, bool, Decimal, Decimal, str, str, str]
"""State class, misses the deadline, total; then price per GPU-hour, provider, region and price for a
stable order."""
Entry = tuple[Key, Evaluation]


class Selection:
    """All ways to run a plan on the offers of a market, looked at best first.

    A lower bound of the total (the list price for the least hours) orders the offers, so that the search
    ends once no further offer can be among the best. The answer is the same as from looking at all.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        market: Market,
        asked: QuoteOptions,
        *,
        now: datetime,
        is_wide: bool = False,
        shapes: Mapping[Shape, Stock] | None = None,
    ) -> None:
        spec = spec_of(plan, asked)
        deadline = min(
            (d for d in (asked.deadline_hours, plan.constraints.deadline_hours) if d is not None),
            default=None,
        )
        owned = [machines.offer(now) for machines in asked.overrides.owned]
        self._own = ListMarket(owned, market_filter(plan, asked), at=now)
        self._shapes = {**(market.shapes() if shapes is None else shapes), **self._own.shapes()}
        limits = Limits(
            max_gpus=asked.max_gpus,
            min_instance_gpus=None if spec is None else spec.min_count,
            max_instance_gpus=None if spec is None else spec.max_count,
            is_wide=is_wide or deadline is not None,
        )
        machines = {stock.machine for stock in self._shapes.values()}
        self._options, self._refused = options(
            plan, sorted(machines, key=_machine_order), limits, asked.measurements
        )
        self._endless = 0
        self.context = Context(
            plan=plan,
            market=market,
            overrides=asked.overrides,
            checkpoint_gb=self._checkpoint_gb(plan),
            deadline_hours=deadline,
        )
        self._runs = runs_of(plan)
        self._least = {machine: self._least_of(found) for machine, found in self._options.items()}
        self._bounds = [
            self._bound(shape, stock.machine)
            for shape, stock in self._shapes.items()
            if stock.machine in self._options
        ]
        credit = sum((credit.usd for credit in asked.overrides.credits), plan.costs.credit_usd or Decimal(0))
        rounded = 3 + sum(getattr(plan.costs, name) is not None for name in ROUNDED_COSTS)
        self._slack = float(credit - certain(plan.costs)) + ROUNDING_USD * rounded
        """By how much a total may lie under the price of its hours."""

    def _checkpoint_gb(self, plan: TrainingPlan) -> Decimal | None:
        """Size of one checkpoint; of adapters, where only they are trained."""
        given = plan.architecture
        if not (plan.model or plan.parameters or given.parameters or given.layers):
            return None
        architecture = resolve(plan)[0]
        is_adapter = plan.method in ("lora", "qlora")
        trained = lora_parameters(plan, architecture) if is_adapter else architecture.parameters
        return checkpoint_gb(round(trained))

    def _bound(self, shape: Shape, machine: Machine) -> Bound:
        is_late, hours, units = self._least[machine]
        if not self.context.overrides.rules:
            return Bound(shape, is_late, hours, units)
        rule = self.context.overrides.rule(shape.provider, shape.gpu_id, shape.purchase_option)
        return Bound(
            shape=shape,
            misses_deadline=is_late,
            hours=hours,
            units=units,
            factor=1.0 if rule is None or rule.off is None else float(1 - rule.off),
            contracted=None if rule is None else rule.usd_per_gpu_hour,
        )

    def _least_of(self, found: Sequence[Option]) -> tuple[bool, float, float]:
        """Whether the deadline is missed by all, least hours of price units, least units."""
        deadline = self.context.deadline_hours
        early_stop = _early_stop(self.context.plan)
        in_time = found if deadline is None else [o for o in found if o.wall_hours * early_stop <= deadline]
        hours = min([option.units * option.wall_hours for option in in_time or found])
        return not in_time, hours * self._runs, min([option.units for option in in_time or found])

    def _candidates(self, bounds: Sequence[Bound]) -> Iterator[Candidate]:
        return heapq.merge(
            self.context.market.candidates(bounds),
            self._own.candidates(bounds),
            key=lambda candidate: (*candidate[:3], candidate.offer.price_id),
        )

    def best(self, limit: int) -> list[Entry]:
        """The `limit` best purchases, one of each offer."""
        found: list[Entry] = []
        for candidate in self._candidates(self._bounds):
            worst = found[-1][0] if len(found) >= limit else None
            floor = candidate.floor_usd * (1 - 1e-9) - self._slack
            if worst is not None and (candidate.state_class, candidate.misses_deadline, floor) > _loose(
                worst
            ):
                break
            is_same_class = worst is not None and candidate.state_class == worst[0] and not worst[1]
            most = float(worst[2]) if worst is not None and is_same_class else math.inf
            evaluation = self._evaluate(candidate.offer, most)
            if evaluation is not None:
                entry = (_key(candidate.state_class, evaluation), evaluation)
                insort(found, entry, key=lambda entry: entry[0])
                del found[limit:]
        return found

    def every(self, offer_limit: int) -> Iterator[tuple[Candidate, Evaluation]]:
        """Every number of instances of the first offers, for a frontier."""
        for position, candidate in enumerate(self._candidates(self._bounds)):
            if position >= offer_limit:
                return
            for option in self._options[machine_of(shape_of(candidate.offer))]:
                evaluation = self.evaluated(candidate.offer, option)
                if evaluation is not None:
                    yield candidate, evaluation

    def cheapest_per_gpu_hour(self) -> Evaluation | None:
        """The offer that an order by price per GPU-hour puts first, with what the plan comes to there."""
        for bound in sorted(self._bounds, key=lambda bound: self._shapes[bound.shape].least):
            per_hour = bound._replace(hours=1 / bound.shape.gpu_count, units=0.0, misses_deadline=False)
            for candidate in self._candidates([per_hour]):
                evaluation = self._evaluate(candidate.offer)
                if evaluation is not None:
                    return evaluation
        return None

    def _evaluate(self, offer: LatestOffer, most: float = math.inf) -> Evaluation | None:
        """The number of instances that costs least; in time, if any is. `None` where none is below
        `most`."""
        best: Evaluation | None = None
        is_endless = True
        for option in sorted(self._options[machine_of(shape_of(offer))], key=self._hours):
            floor = self._floor(offer, option)
            is_endless = is_endless and math.isinf(floor)
            if floor > most or (best is not None and not best.misses_deadline and floor > best.total.mid):
                continue
            evaluation = self.evaluated(offer, option)
            if evaluation is not None and (best is None or _order(evaluation) < _order(best)):
                best = evaluation
        if best is None and is_endless:
            self._endless += 1
        return best

    def _hours(self, option: Option) -> float:
        return option.units * option.wall_hours * self._runs

    def _floor(self, offer: LatestOffer, option: Option) -> float:
        """Lower bound of the total with expected interruptions: the machines alone, in floats and so
        quickly."""
        of = self.context
        price = float(offer.usd_per_hour or 0)
        rule = of.overrides.rule(offer.provider, offer.gpu_id, offer.purchase_option)
        if rule is not None:
            price = float(rule.price(offer))
        hours = self._hours(option)
        if offer.purchase_option == "spot":
            spot = spot_terms(of.plan, offer, option, of.market.surroundings, checkpoint_gb=of.checkpoint_gb)
            useful = option.wall_hours * _early_stop(of.plan)
            hours *= expectation(useful, spot.interruptions["mid"]).expected_hours / useful if useful else 1.0
        term = float(offer.term_months or 0) * HOURS_PER_MONTH * option.units
        return price * max(hours, term) * (1 - 1e-9) - self._slack

    def evaluated(self, offer: LatestOffer, option: Option) -> Evaluation | None:
        of = self.context
        surroundings = of.market.surroundings
        bought = purchase(of.plan, offer, option, surroundings, checkpoint_gb=of.checkpoint_gb)
        if bought is None:
            return None
        terms = Terms(
            rule=of.overrides.rule(offer.provider, offer.gpu_id, offer.purchase_option),
            credits=of.overrides.credits_for(offer.provider),
        )
        found = lines(of.plan, bought, surroundings, terms, checkpoint_gb=of.checkpoint_gb)
        late = of.deadline_hours is not None and bought.running_hours.mid > Decimal(repr(of.deadline_hours))
        return Evaluation(bought, found, total(found), terms, late)

    def refused(self) -> Counter[str]:
        """Offers that were looked at and cannot run the plan, counted by reason."""
        counts: Counter[str] = Counter()
        for stock in self._shapes.values():
            reason = self._refused.get(stock.machine)
            if reason is not None:
                counts[reason] += stock.offers
        if self._endless:
            counts["interrupted so often that the run would not end"] += self._endless
        return counts

    def excluded(self) -> Mapping[str, int]:
        """All offers that are not quoted for a reason, the commonest first."""
        return by_count(Counter(self.context.market.excluded()) + self.refused())

    def nothing(self) -> NoOfferError | DoesNotFitError:
        """Why there is no quote."""
        return nothing(self.context.plan, self.excluded())


def _machine_order(machine: Machine) -> tuple[str, int, int, int, bool]:
    least, most = machine.min_gpus or 0, machine.max_gpus or 0
    return machine.gpu_id, machine.gpu_count, least, most, machine.may_join


def by_count(counts: Mapping[str, int]) -> dict[str, int]:
    """Reasons, the commonest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def nothing(plan: TrainingPlan, excluded: Mapping[str, int]) -> NoOfferError | DoesNotFitError:
    """Why there is no quote: what removed how many offers."""
    if not excluded:
        return NoOfferError("the ledger holds no offer; run `gpuledger refresh`")
    said = "; ".join(f"{count} x {reason}" for reason, count in excluded.items())
    if "does not fit in its memory" in excluded:
        return DoesNotFitError(f"{plan.name}: no offer on sale can hold it ({said})")
    return NoOfferError(f"{plan.name}: no offer is left ({said})")


def _key(state: int, of: Evaluation) -> Key:
    offer = of.bought.offer
    price = offer.usd_per_gpu_hour or Decimal(0)
    return state, of.misses_deadline, of.total.mid, price, offer.provider, offer.region, offer.price_id


def _loose(key: Key) -> tuple[int, bool, float]:
    return key[0], key[1], float(key[2])


def _order(of: Evaluation) -> tuple[bool, Decimal]:
    return of.misses_deadline, of.total.mid


def _early_stop(plan: TrainingPlan) -> float:
    return 1.0 if plan.costs.early_stop is None else plan.costs.early_stop


def runs_of(plan: TrainingPlan) -> float:
    """How many times the hours of one run are paid at least: no interruption, no rounding."""
    costs = plan.costs
    runs = costs.failed_run_factor or 1.0
    if costs.trials:
        runs += costs.trials * (1.0 if costs.trial_fraction is None else costs.trial_fraction)
    if costs.experiments and costs.experiment_usd is None:
        runs += costs.experiments
    return _early_stop(plan) * runs / (costs.utilisation or 1.0)

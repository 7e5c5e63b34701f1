"""Several good answers instead of one: what cannot be improved in cost, time and risk at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gpuledger.core.cost.evaluation import Evaluation
from gpuledger.core.cost.market.offers import Market
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.search import Least, Selection
from gpuledger.core.count import decimal_text

OFFERS = 400
"""Offers looked at, those of the least possible total; each with every number of instances."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One way to run the plan. Risk is the expected number of interruptions."""

    evaluation: Evaluation
    usd: float
    hours: float
    risk: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        bought, offer = self.evaluation.bought, self.evaluation.bought.offer
        return {
            "usd_total": self.evaluation.total.to_dict(),
            "wall_hours": self.hours,
            "expected_interruptions": round(self.risk, 3),
            "provider": offer.provider,
            "instance_type": offer.instance_type,
            "region": offer.region,
            "purchase_option": offer.purchase_option,
            "tier": offer.tier,
            "gpu_id": offer.gpu_id,
            "nodes": bought.option.instances,
            "gpus": bought.billed_gpus,
            "usd_per_gpu_hour": decimal_text(offer.usd_per_gpu_hour),
            "price_id": offer.price_id,
        }


def frontier(question: Question, market: Market) -> list[Point]:
    """The Pareto set, cheapest first: every other way is beaten in cost, time and risk by one of these.

    Only prices that may win take part: of those that keep the deadline, if any does, the fresh ones, if any is.

    Raises:
        DoesNotFitError: on sale, but the plan fits on none of it.
        NoOfferError: nothing is left.
    """
    selection = Selection(question, market, is_wide=True)
    result: list[tuple[tuple[bool, int], Point]] = []
    best: list[tuple[int, Point]] = []
    for candidate, option, least in selection.every(OFFERS):
        state = candidate.state_class
        # what keeps the deadline in less time keeps it too, so that ways beaten in all three cannot rank before
        if any(rank <= state and _beats(point, least) for rank, point in best):
            continue
        evaluation = selection.evaluated(candidate.offer, option)
        if evaluation is not None:
            point = _point(evaluation)
            result.append(((evaluation.misses_deadline, state), point))
            best.append((state, point))
    if not result:
        raise selection.nothing()
    first = min(rank for rank, _ in result)
    return pareto(point for rank, point in result if rank == first)


def _beats(point: Point, least: Least) -> bool:
    return point.usd <= least.usd and point.hours <= least.hours and point.risk <= least.risk


def _point(evaluation: Evaluation) -> Point:
    bought = evaluation.bought
    spot, useful = bought.spot, float(bought.useful_hours.mid)
    return Point(
        evaluation=evaluation,
        usd=float(evaluation.total.mid),
        hours=float(bought.running_hours.mid),
        risk=0.0 if spot is None else spot.expected_interruptions(useful),
    )


def pareto(points: Iterable[Point]) -> list[Point]:
    """Points that no other is at least as good as in all three and better in one; one of equals."""
    stored: list[Point] = []
    for point in sorted(points, key=lambda p: (p.usd, p.hours, p.risk)):
        # cheaper ones come first, so only they can beat this one
        if not any(other.hours <= point.hours and other.risk <= point.risk for other in stored):
            stored.append(point)
    return stored

"""Several good answers instead of one: what cannot be improved in cost, time and risk at once."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gpuledger.core.cost.market.offers import Market
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.search import Evaluation, Selection
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
    for candidate, evaluation in selection.every(OFFERS):
        result.append(((evaluation.misses_deadline, candidate.state_class), _point(evaluation)))
    if not result:
        raise selection.nothing()
    first = min(rank for rank, _ in result)
    return pareto(point for rank, point in result if rank == first)


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


WIDTH, HEIGHT, EDGE = 760, 420, 60


def plot(points: Sequence[Point], title: str) -> str:
    """The set as an SVG: hours across, US dollars up, both logarithmic; spot is hollow."""
    across = _scale([p.hours for p in points], EDGE, WIDTH - EDGE)
    up = _scale([p.usd for p in points], HEIGHT - EDGE, EDGE)
    marks: list[str] = []
    for point in points:
        offer = point.evaluation.bought.offer
        x, y = across(point.hours), up(point.usd)
        fill = "none" if offer.purchase_option == "spot" else "#1f77b4"
        label = (
            f"{point.evaluation.bought.billed_gpus} x {offer.gpu_id} {offer.provider} {offer.purchase_option}"
        )
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="#1f77b4">'
            f"<title>{_escaped(label)}: {point.usd:,.2f} USD, {point.hours:,.1f} h</title></circle>"
            f'<text x="{x + 8:.1f}" y="{y - 6:.1f}" font-size="10">{_escaped(label)}</text>'
        )
    low, high = min(p.hours for p in points), max(p.hours for p in points)
    cheap, dear = min(p.usd for p in points), max(p.usd for p in points)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<text x="{EDGE}" y="24" font-size="14">{_escaped(title)}: cost against time</text>'
        f'<path d="M{EDGE} {EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}" fill="none" stroke="black"/>'
        f'<text x="{EDGE}" y="{HEIGHT - 30}" font-size="11">{low:,.1f} h</text>'
        f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 30}" font-size="11" text-anchor="end">{high:,.1f} h</text>'
        f'<text x="{EDGE + 6}" y="{EDGE - 6}" font-size="11">{dear:,.2f} USD</text>'
        f'<text x="{EDGE + 6}" y="{HEIGHT - EDGE - 6}" font-size="11">{cheap:,.2f} USD</text>'
        f"{''.join(marks)}</svg>\n"
    )


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, high = math.log(max(min(values), 1e-9)), math.log(max(max(values), 1e-9))
    span = (high - low) or 1.0
    return lambda value: start + (math.log(max(value, 1e-9)) - low) / span * (end - start)


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)

"""The set of answers that nothing beats in cost, time and risk at once."""

import pytest

from gpuledger.core.cost.frontier import Point, _point, frontier, pareto
from gpuledger.core.cost.market.offers import ListMarket
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.search import Selection
from gpuledger.core.plan import plan_from_mapping
from gpuledger.core.plan_sections import Costs
from tests.unit.offering import NOW, offer, stale

PLAN = plan_from_mapping(
    {
        "name": "p & q",
        "model": "llama-2-7b",
        "training_tokens": 1e10,
        "sequence_length": 4096,
        "global_batch_tokens": 4_194_304,
    }
)
OFFERS = [
    offer("2.69", gpu_count=8),
    offer("1.20", gpu_count=8, purchase_option="spot"),
    offer("1.39", gpu_count=8, gpu_id="a100-sxm-80gb"),
    offer("9.00", gpu_count=8, provider="dear"),
    stale(offer("0.10", gpu_count=8, provider="old")),
]


def found(**options) -> list[Point]:
    question = Question.of(PLAN, QuoteOptions(**options), now=NOW)
    return frontier(question, ListMarket(OFFERS, question.offers, at=NOW))


def test_the_points_are_cheapest_first_and_each_is_best_in_something():
    points = found()
    assert len(points) > 3
    assert [p.usd for p in points] == sorted(p.usd for p in points)
    for point in points:
        for other in points:
            if other is not point:
                assert other.usd > point.usd or other.hours > point.hours or other.risk > point.risk


def test_spot_and_on_demand_both_stay_as_they_differ_in_risk():
    options = {p.evaluation.bought.offer.purchase_option for p in found()}
    assert options == {"spot", "on_demand"}


def test_what_is_dearer_and_no_faster_is_beaten_and_a_stale_price_takes_no_part():
    providers = {p.evaluation.bought.offer.provider for p in found()}
    assert providers == {"runpod"}


def test_a_deadline_leaves_what_meets_it():
    assert all(p.hours <= 40 for p in found(deadline_hours=40.0))


def test_equal_points_are_kept_once():
    point = found()[0]
    assert pareto([point, point]) == [point]


MARKETS = [
    offer(f"{0.4 + number * 0.37 % 3:.2f}", gpu_count=1 << number % 4, sku=f"sku-{number}", **terms)
    for number, terms in enumerate(
        [
            {},
            {"purchase_option": "spot"},
            {"provider": "vast", "tier": "community"},
            {"gpu_id": "a100-sxm-80gb"},
        ]
        * 6
    )
] + OFFERS


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"deadline_hours": 40.0},
        {"deadline_hours": 0.5},
        {"purchase_options": ("spot",)},
        {"credits": ("runpod=200",)},
        {"allow_stale": True, "max_gpus": 64},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "costs", [{}, {"early_stop": 0.5, "failed_run_factor": 1.5, "people_usd": 90}], ids=str
)
def test_ways_that_are_passed_over_would_have_been_beaten(options, costs):
    plan = PLAN.model_copy(update={"costs": Costs.model_validate(costs)})
    question = Question.of(plan, QuoteOptions(**options), now=NOW)
    market = ListMarket(MARKETS, question.offers, at=NOW, allow_stale=question.options.allow_stale)
    selection, all_ways = Selection(question, market, is_wide=True), []
    for candidate, option, _ in selection.every(400):
        evaluation = selection.evaluated(candidate.offer, option)
        if evaluation is not None:
            all_ways.append(((evaluation.misses_deadline, candidate.state_class), _point(evaluation)))
    first = min(rank for rank, _ in all_ways)
    points = pareto(point for rank, point in all_ways if rank == first)
    assert [point.to_dict() for point in frontier(question, market)] == [point.to_dict() for point in points]
    assert len(all_ways) > len(points)

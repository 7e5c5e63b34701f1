"""A quote looks at few offers, chosen by columns of floats; the answer is that of looking at all of them."""

import random
from decimal import Decimal
from functools import partial

import pytest

from gpuledger.core.cost.configurations import FEW_NODES, Configuration, Limits, configurations, price_units
from gpuledger.core.cost.cost_lines import list_total
from gpuledger.core.cost.market.offers import ListMarket, Machine, machine_of, shape_of, state_class
from gpuledger.core.cost.market.own_terms import Overrides, read_overrides
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.cost.search import Selection
from gpuledger.core.errors import DoesNotFitError, InvalidPlanError, NoOfferError
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from gpuledger.core.store.offers import LatestOffer
from tests.unit.offering import NOW, offer, stale

GPUS = (
    "h100-sxm-80gb",
    "a100-sxm-80gb",
    "a100-pcie-40gb",
    "l40s-48gb",
    "rtx-4090-24gb",
    "t4-16gb",
    "h100-nvl-94gb",
)
MARKETS = 12
OWN = """
[[discount]]
provider = "aws"
percent = 20

[[contract]]
provider = "lambda"
gpu = "h100-sxm-80gb"
usd_per_gpu_hour = 1.90

[[credit]]
provider = "vast"
usd = 25
"""


def made_offer(chance: random.Random, number: int):
    option = chance.choice(["on_demand", "on_demand", "spot", "reserved"])
    count = chance.choice([1, 1, 2, 4, 8])
    terms = {
        "provider": chance.choice(["runpod", "lambda", "aws", "vast", "crusoe"]),
        "region": f"r{number % 4}",
        "sku": f"sku-{number}",
        "tier": chance.choice([None, "secure", "community"]),
        "gpu_id": chance.choice(GPUS),
        "gpu_count": count,
        "max_gpus": chance.choice([None, 8]) if count == 1 else None,
        "min_gpus": chance.choice([None, None, 16]) if count == 8 else None,
        "purchase_option": option,
        "term_months": Decimal(1) if option == "reserved" else None,
        "billing_increment_seconds": chance.choice([None, 1, 3600]),
        "availability": chance.choice(["available", "available", "sold_out"]),
    }
    found = offer(f"{chance.uniform(0.3, 4):.2f}", **terms)
    return stale(found) if chance.random() < 0.2 else found


def made_plan(chance: random.Random):
    model, method = chance.choice(
        [
            ("llama-2-7b", "lora"),
            ("llama-2-7b", "full_finetune"),
            ("llama-2-70b", "qlora"),
            ("gpt2", "pretrain"),
        ]
    )
    keys = {
        "name": "made",
        "model": model,
        "method": method,
        "sequence_length": chance.choice([512, 1024, 2048]),
    }
    keys["hardware"] = {} if chance.random() < 0.7 else {"gpus": chance.choice([4, 8, 12])}
    keys["constraints"] = {} if chance.random() < 0.6 else {"deadline_hours": chance.uniform(5, 200)}
    keys["costs"] = (
        {} if chance.random() < 0.5 else {"failed_run_factor": 1.5, "early_stop": 0.8, "people_usd": 9}
    )
    return plan_from_mapping(keys | {"training_tokens": 1e9, "global_batch_tokens": 131_072})


def ways(plan: TrainingPlan, machine: Machine) -> list[Configuration]:
    """The numbers of a machine that hold the plan, each with an estimate of its own."""
    is_wide = plan.constraints.deadline_hours is not None
    table = configurations((machine,), Limits.of(plan, max_gpus=plan.constraints.max_gpus))
    found = []
    for count, position in zip(table.counts, table.position.tolist(), strict=True):
        candidate = table.hardware.candidates[position]
        try:
            alone = estimate(plan, candidate.gpu, candidate.gpus, gpus_per_node=candidate.gpus_per_node)
        except InvalidPlanError:
            continue
        if alone.fits and alone.wall_hours.mid <= plan.constraints.longest_wall_hours:
            found.append(
                Configuration(
                    instance_gpus=count.instance_gpus,
                    instances=count.instances,
                    units=price_units(machine, count),
                    gpus=count.gpus,
                    wall_hours=alone.wall_hours.mid,
                    time=partial(identity, alone.wall_hours),
                    make=partial(identity, alone),
                )
            )
    few = [way for way in found if way.instances <= FEW_NODES]
    return found if is_wide else few or found


def identity(value):
    return value


def by_looking_at_all(
    plan: TrainingPlan, offers: list[LatestOffer], asked: QuoteOptions
) -> list[tuple[str, int, Decimal]]:
    """Price, instances and total of the best number of each offer, the best offer first."""
    question = Question.of(plan, asked, now=NOW)
    pricing = Selection(question, ListMarket(offers, question.offers, at=NOW))
    machines = {machine_of(shape_of(one)) for one in offers}
    options = {machine: ways(plan, machine) for machine in machines}
    ranked = []
    for one in offers:
        priced = [pricing.evaluated(one, way) for way in options[machine_of(shape_of(one))]]
        possible = [evaluation for evaluation in priced if evaluation is not None]
        if possible:
            best = min(possible, key=lambda of: (of.misses_deadline, of.total.mid, list_total(of.lines).mid))
            place = (best.misses_deadline, state_class(one, NOW, allow_stale=False), best.total.mid)
            ties = (list_total(best.lines).mid, one.usd_per_gpu_hour, one.provider, one.region, one.price_id)
            ranked.append(((*place, *ties), best))
    ranked.sort(key=lambda row: row[0])
    return [(key[-1], best.bought.option.instances, best.total.mid) for key, best in ranked]


@pytest.mark.parametrize("seed", range(MARKETS))
def test_the_answer_is_that_of_looking_at_every_number_of_every_offer(seed):
    chance = random.Random(seed)
    plan = made_plan(chance)
    offers = [made_offer(chance, number) for number in range(60)]
    own = read_overrides(OWN, "a test") if chance.random() < 0.4 else Overrides()
    ranking = by_looking_at_all(plan, offers, QuoteOptions(overrides=own))
    for limit in (1, 7, 100):
        question = Question.of(plan, QuoteOptions(limit=limit, overrides=own), now=NOW)
        market = ListMarket(offers, question.offers, at=NOW)
        try:
            answer = quote(question, market)
        except (NoOfferError, DoesNotFitError):
            assert ranking == []
            continue
        found = [(q.purchase.offer.price_id, q.purchase.option.instances, q.total.mid) for q in answer.quotes]
        assert found == ranking[:limit]
        counted = sum(answer.excluded.values())
        if limit == 100:
            assert counted + len(found) == len(offers)


def test_the_random_markets_hold_every_kind_of_answer():
    plans = [made_plan(random.Random(seed)) for seed in range(MARKETS)]
    assert len({plan.model for plan in plans}) == 3
    assert {plan.constraints.deadline_hours is None for plan in plans} == {True, False}
    assert {plan.hardware.gpus is None for plan in plans} == {True, False}

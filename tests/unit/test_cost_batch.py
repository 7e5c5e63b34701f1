"""Many plans at once give what each gives alone."""

import pytest

from gpuledger.core.cost.batch import PreparedMarket
from gpuledger.core.cost.market.offers import ListMarket
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.parallel import WORTH_A_PROCESS
from gpuledger.core.plan import plan_from_mapping
from tests.unit.offering import NOW, offer, quoted_plan

OFFERS = [
    offer("2.69", gpu_count=8),
    offer("1.39", gpu_id="a100-sxm-80gb", max_gpus=8),
    offer("0.70", gpu_id="a100-sxm-80gb", max_gpus=8, purchase_option="spot"),
    offer("0.34", gpu_id="rtx-4090-24gb", provider="vast"),
]


def tuning(number: int):
    keys = {
        "name": f"p{number}",
        "method": "lora",
        "lora_rank": 8,
        "model": "llama-2-7b",
        "sequence_length": 512,
    }
    return plan_from_mapping(keys | {"dataset_tokens": 1e7 * (1 + number), "global_batch_tokens": 8192})


PLANS = [tuning(number) for number in range(WORTH_A_PROCESS)] + [quoted_plan("b200-sxm-180gb", hours=1)]


def alone(plan):
    # nobody reads what was published beside thousands of answers, so a batch leaves that out
    question = Question.of(plan, QuoteOptions(limit=2, no_evidence=True), now=NOW)
    return quote(question, ListMarket(OFFERS, question.offers, at=NOW)).to_dict()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_gives_what_each_plan_gives_alone(workers):
    found = list(
        PreparedMarket(offers=OFFERS, now=NOW, options=QuoteOptions(limit=2)).answers(PLANS, workers=workers)
    )
    assert len(found) == len(PLANS)
    assert found[-1]["plan"] == "quoted" and "no offer is left" in found[-1]["error"]
    assert found[:-1] == [alone(plan) for plan in PLANS[:-1]]

"""Many plans at once give what each gives alone."""

import os
import threading

import pytest

from gpuledger.core.cost.batch import PreparedMarket
from gpuledger.core.cost.market.offers import ListMarket, _Rows
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.cost.question import Question
from gpuledger.core.cost.quote import quote
from gpuledger.core.cost.search import Selection
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.parallel import WORTH_A_PROCESS, in_processes
from gpuledger.core.plan import plan_from_mapping
from gpuledger.core.validity import STATES
from tests.unit.offering import NOW, offer, quoted_plan, stale

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


def odd(number: int):
    """Plans that differ in what their hours and their offers depend on."""
    kinds = [
        {"method": "full_finetune", "constraints": {"deadline_hours": 2.0 + number}},
        {"method": "qlora", "hardware": {"gpus": 1 + number % 4}},
        {"method": "pretrain", "global_batch_tokens": 262_144.0},
        {"method": "lora", "lora_rank": 16, "constraints": {"providers": ["vast"]}},
        {"method": "dpo", "lora_rank": 16, "costs": {"early_stop": 0.5, "checkpoint_keep": 2}},
    ]
    keys = {"name": f"odd{number}", "model": "llama-3-8b", "dataset_tokens": 1e7 * (1 + 40 * number)}
    sizes = {"sequence_length": 512 * (1 + number % 3), "global_batch_tokens": 8192.0 * (2 + number % 4)}
    return plan_from_mapping(keys | sizes | kinds[number % len(kinds)])


PLANS = [tuning(number) for number in range(WORTH_A_PROCESS - 25)] + [odd(number) for number in range(25)]
PLANS.append(quoted_plan("b200-sxm-180gb", hours=1))


def alone(plan):
    # nobody reads what was published beside thousands of answers, so a batch leaves that out
    question = Question.of(plan, QuoteOptions(limit=2, no_evidence=True), now=NOW)
    try:
        return quote(question, ListMarket(OFFERS, question.offers, at=NOW)).to_dict()
    except GPULedgerError as error:
        return {"plan": plan.name, "error": str(error)}


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.deep), 2])
def test_a_batch_gives_what_each_plan_gives_alone(workers):
    found = list(
        PreparedMarket(offers=OFFERS, now=NOW, options=QuoteOptions(limit=2)).answers(PLANS, workers=workers)
    )
    assert len(found) == len(PLANS)
    assert found[-1]["plan"] == "quoted" and "no offer is left" in found[-1]["error"]
    assert found[:-1] == [alone(plan) for plan in PLANS[:-1]]
    assert sum("error" in row for row in found) < 10


def process_of(_: int) -> int:
    return os.getpid()


def test_nothing_is_forked_beside_other_threads():
    assert os.getpid() not in set(in_processes(process_of, range(WORTH_A_PROCESS), 2))
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    assert set(in_processes(process_of, range(WORTH_A_PROCESS), 2)) == {os.getpid()}
    end.set()
    other.join()


def test_offers_of_other_states_are_not_looked_at(monkeypatch):
    looked_at = list[str]()
    offers = [offer("2.69", gpu_count=8, sku=f"sku-{number}") for number in range(50)]
    old = stale(offer("1.00", gpu_count=8, sku="old"))
    question = Question.of(tuning(0), QuoteOptions(), now=NOW)
    market = ListMarket([*offers, old], question.offers, at=NOW)
    head = _Rows.head
    monkeypatch.setattr(
        _Rows, "head", lambda self, *at: looked_at.append(head(self, *at)[3]) or head(self, *at)
    )
    selection = Selection(question, market)
    found = [each.offer.price_id for each in market.candidates(selection.bounds, (STATES.index("stale"),))]
    assert found == looked_at == [old.price_id]

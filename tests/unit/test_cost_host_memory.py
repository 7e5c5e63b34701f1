"""Offers whose machines cannot hold what a plan offloads."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.errors import DoesNotFitError
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tests.unit.offering import ask, offer

A100 = {"gpu_id": "a100-sxm-80gb", "gpu_count": 8, "unit": "instance_hour"}


def offloaded(**hardware: Any) -> TrainingPlan:
    """Full fine-tuning of 70B with the optimizer in host memory: 16 bytes x 69e9 are 1,028 GiB."""
    return plan_from_mapping(
        {
            "model": "llama-2-70b",
            "method": "full_finetune",
            "sequence_length": 2048,
            "dataset_tokens": 1e8,
            "optimizer": "adamw_8bit",
            "hardware": {
                "gpu": "a100-sxm-80gb",
                "gpus": 8,
                "sharding": "zero3",
                "micro_batch_size": 1,
                "stack": "axolotl",
                "offload": "optimizer",
                **hardware,
            },
        }
    )


def test_a_machine_with_too_little_memory_is_left_out_with_the_reason() -> None:
    small, large = (
        offer(usd, **A100, memory_gib=Decimal(gib)) for usd, gib in (("3.00", 512), ("4.00", 2048))
    )
    found = ask(offloaded(), [small, large])
    assert [quote.purchase.offer.memory_gib for quote in found.quotes] == [2048]
    assert found.excluded == {"less host memory than offloading takes": 1}


def test_without_an_offer_left_the_plan_does_not_fit() -> None:
    with pytest.raises(DoesNotFitError, match="less host memory than offloading takes"):
        ask(offloaded(), [offer("3.00", **A100, memory_gib=Decimal(512))])


@pytest.mark.parametrize(("memory", "more"), [(None, {}), (Decimal(512), {"gpus": 32})])
def test_memory_that_is_not_stated_or_that_nodes_share_is_no_reason(
    memory: Decimal | None, more: dict[str, int]
) -> None:
    assert len(ask(offloaded(**more), [offer("3.00", **A100, memory_gib=memory)]).quotes) == 1

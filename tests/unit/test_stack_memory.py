"""The table of what software does for memory."""

from __future__ import annotations

import pytest

from gpuledger.core import seeds
from gpuledger.core.estimate.stack_memory import memory_form, memory_forms, offloaded
from gpuledger.core.plan import plan_from_mapping


def test_every_stack_has_its_row_for_speed_and_for_memory() -> None:
    assert [row["stack"] for row in seeds.rows("stack_memory")] == [
        row["stack"] for row in seeds.rows("stack")
    ]
    assert all(row["source"] for row in seeds.rows("stack_memory"))


@pytest.mark.parametrize(
    ("keys", "hardware", "usual"),
    [
        ({"method": "lora"}, {}, "peft"),
        ({"method": "dpo", "lora_rank": 8}, {}, "peft"),
        ({"method": "full_finetune"}, {}, "transformers"),
        ({"method": "full_finetune"}, {"tensor_parallel": 2}, "megatron"),
        ({"method": "ppo"}, {}, "transformers"),
        ({"method": "pretrain"}, {}, "megatron"),
        ({"method": "pretrain", "precision": "fp8"}, {}, "megatron"),
        ({"method": "pretrain"}, {"stack": "our own"}, "megatron"),
        ({"method": "pretrain"}, {"stack": "Megatron-DeepSpeed"}, "megatrondeepspeed"),
        ({"method": "pretrain"}, {"stack": "Megatron-LM v3"}, "megatronlmv3"),
    ],
)
def test_a_plan_gets_the_form_of_its_stack_or_the_usual_one(
    keys: dict[str, object], hardware: dict[str, object], usual: str
) -> None:
    plan = plan_from_mapping({"model": "llama-2-7b", **keys, "hardware": hardware})
    assert memory_form(plan) == memory_forms()[usual]


@pytest.mark.parametrize(
    ("said", "moved"),
    [
        ("none", ()),
        ("optimizer", ("optimizer",)),
        (["parameters", "activations"], ("parameters", "activations")),
        (None, ("activations",)),
    ],
)
def test_what_is_offloaded_is_what_is_said_else_what_the_stack_does(
    said: object, moved: tuple[str, ...]
) -> None:
    hardware = {"stack": "unsloth"} | ({} if said is None else {"offload": said})
    assert (
        offloaded(plan_from_mapping({"model": "llama-2-7b", "method": "lora", "hardware": hardware})) == moved
    )

"""Each form that memory takes, as a plan with it and without it and the difference that its formula says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from tests.depth import examples
from tests.unit.memory_plans import (
    FINETUNE,
    GIB,
    LAYERS,
    LORA,
    PRETRAIN,
    D,
    K,
    N,
    V,
    memory,
    run,
)

# states


@pytest.mark.parametrize(
    ("optimizer", "mixed", "pure"),
    [
        ("adamw", 16, 8),
        ("adamw_8bit", 10, 6),
        ("adamw_4bit", 9, 5),
        ("lion", 12, 6),
        ("sgd", 12, 6),
        ("adafactor", 8, 4),
        ("muon", 12, 6),
    ],
)
def test_states_in_sixteen_bits_keep_no_copy_of_the_weights(optimizer: str, mixed: int, pure: int) -> None:
    def states(precision: str) -> float:
        found = memory(FINETUNE | {"optimizer": optimizer, "state_precision": precision})
        return found.weights + found.gradients + found.optimizer

    assert states("mixed") == pytest.approx(mixed * N / GIB)
    assert states("pure") == pytest.approx(pure * N / GIB)


@pytest.mark.parametrize(
    ("stack", "sharding", "bytes_per_parameter"),
    [
        ("megatron", "none", 18),
        ("megatron-bridge", "none", 16),
        ("torchtitan", "zero3", 16),
        ("torchtune", "none", 8),
        ("llm.c", "none", 16),
    ],
)
def test_a_stack_has_its_usual_states(stack: str, sharding: str, bytes_per_parameter: int) -> None:
    found = memory(PRETRAIN, 8, stack=stack, sharding=sharding)
    group = 8 if sharding == "zero3" else 1
    states = found.weights + found.gradients + found.optimizer
    assert states == pytest.approx(bytes_per_parameter * N / group / GIB)


def test_gradients_reduced_in_sixteen_bits_take_half() -> None:
    whole, half = (memory(PRETRAIN | {"gradient_precision": p}).gradients for p in ("fp32", "16bit"))
    assert (whole, half) == (pytest.approx(4 * N / GIB), pytest.approx(2 * N / GIB))


def test_a_gradient_applied_in_the_backward_pass_is_not_kept() -> None:
    """Two layers of it are there at a time."""
    found = memory(FINETUNE | {"optimizer_in_backward": True})
    assert found.gradients == pytest.approx(2 * 2 * N / LAYERS / GIB)


@pytest.mark.parametrize(("stack", "copies"), [("megatron", 0), ("torchtitan", 0), ("deepspeed", 1)])
def test_the_sharding_of_deepspeed_alone_steps_on_copies(stack: str, copies: int) -> None:
    keys = PRETRAIN | {"precision": "fp16"}
    few, many = (memory(keys, n, stack=stack, sharding="zero1").overhead for n in (8, 64))
    assert few - many == pytest.approx(copies * K.copy_bytes * N * (1 / 8 - 1 / 64) / GIB, abs=1e-6)


def test_naming_the_sharding_that_is_assumed_changes_nothing() -> None:
    """Plan D of the review: 40.1 GiB without the word, 52.9 with it."""
    keys = PRETRAIN | {"activation_recomputation": "none"}
    hardware = {"gpus": 8, "tensor_parallel": 2, "micro_batch_size": 1, "stack": "megatron"}
    found = [
        estimate(
            plan_from_mapping({**keys, "hardware": {**hardware, **more}}), gpu("h100-sxm-80gb"), 8
        ).memory_gib
        for more in ({}, {"sharding": "zero1"}, {"sharding": "none"})
    ]
    open_, zero1, none = (m.total for m in found if m is not None)
    assert open_ == zero1 == pytest.approx(40, abs=1)
    assert none == pytest.approx(69, abs=2)


# weights beside adapters


@pytest.mark.parametrize(("weights", "each"), [("fp16", 2.0), ("int8", 1.0), ("nf4", 4.127 / 8)])
def test_frozen_weights_take_what_they_are_stored_in(weights: str, each: float) -> None:
    embeddings = 2 * V * D
    kept = 4.0 if weights != "fp16" else 2.0
    expected = each * (N - embeddings) + kept * embeddings
    assert memory(LORA | {"weights": weights}, 1).weights == pytest.approx(expected / GIB, rel=1e-3)


def test_eight_bit_weights_slow_a_pass_more_than_four_bit_ones() -> None:
    plain, four, eight = (run(LORA | {"weights": w}, 1).step_seconds or 0 for w in ("fp16", "nf4", "int8"))
    assert plain < four < eight


@pytest.mark.parametrize(
    "keys",
    [
        FINETUNE | {"weights": "int8"},
        PRETRAIN | {"weights": "nf4"},
        LORA | {"method": "qlora", "weights": "fp16"},
        FINETUNE | {"lora_rank": 8},
    ],
)
def test_what_has_no_meaning_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlanError):
        plan_from_mapping(keys)


def test_qlora_is_lora_on_four_bit_weights() -> None:
    assert memory(LORA | {"weights": "nf4"}, 1) == memory(LORA | {"method": "qlora"}, 1)


# what is shown


def test_the_least_is_shown_beside_what_a_full_card_would_use() -> None:
    keys = PRETRAIN | {"global_batch_tokens": 4194304}
    plan = plan_from_mapping({**keys, "hardware": {"sharding": "zero3", "stack": "fsdp"}})
    found = estimate(plan, gpu("h100-sxm-80gb"), 8).memory_gib
    assert found is not None
    least = memory(keys | {"activation_recomputation": "full"}, 8, sharding="zero3", stack="fsdp").total
    assert found.least == pytest.approx(least)
    assert found.least < found.total / 1.5


def test_what_is_stated_has_no_less() -> None:
    found = memory(FINETUNE)
    assert found.least == found.total


def test_the_interval_is_wider_the_less_is_said() -> None:
    stated = memory(FINETUNE, 8, stack="transformers")
    unnamed = memory(FINETUNE, 8)
    assert stated.low < stated.total < stated.high
    assert unnamed.high / unnamed.total > stated.high / stated.total


MORE_MEMORY = st.sampled_from(
    [
        ({"loss": "cut"}, {"loss": "plain"}),
        ({"state_precision": "pure"}, {"state_precision": "mixed"}),
        ({"activation_recomputation": "full"}, {"activation_recomputation": "none"}),
        ({"optimizer": "adamw_8bit"}, {"optimizer": "adamw"}),
        ({"optimizer_in_backward": True}, {"optimizer_in_backward": False}),
        ({"gradient_precision": "16bit"}, {"gradient_precision": "fp32"}),
    ]
)


@settings(max_examples=examples(40), deadline=None)
@given(
    levers=MORE_MEMORY,
    model=st.sampled_from(["llama-3.2-1b", "llama-2-7b", "mixtral-8x7b", "qwen3-30b-a3b"]),
    stack=st.sampled_from(["megatron", "deepspeed", "torchtitan", "transformers", "nanotron"]),
    sharding=st.sampled_from(["none", "zero1", "zero2", "zero3"]),
    gpus=st.sampled_from([1, 8, 64]),
    tokens=st.sampled_from([512, 4096, 32768]),
)
def test_no_lever_that_saves_memory_takes_more(
    levers: tuple[dict[str, Any], dict[str, Any]],
    model: str,
    stack: str,
    sharding: str,
    gpus: int,
    tokens: int,
) -> None:
    keys = {"model": model, "method": "full_finetune", "training_tokens": 1e9, "sequence_length": tokens}
    keys["global_batch_tokens"] = 4194304
    hardware = {"stack": stack, "sharding": sharding, "expert_parallel": 1}
    less, more = (memory(keys | lever, gpus, **hardware) for lever in levers)
    assert less.total <= more.total * (1 + 1e-9)
    for found in (less, more):
        assert all(value >= 0 for value in vars(found).values())
        assert found.least <= found.total and found.low <= found.total <= found.high

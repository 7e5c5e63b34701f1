"""Each form that memory takes, as a plan with it and without it and the difference that its formula says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.memory import MemoryGiB
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping

GIB = 2.0**30
N = 6_738_415_616
"""Parameters of Llama 2 7B: 32 layers, width 4096, feed-forward 11008, vocabulary 32000."""
LAYERS, D, F, V, S = 32, 4096, 11008, 32000, 4096
K = constants()
SLACK = K.allocator_slack

PRETRAIN = {
    "method": "pretrain",
    "model": "llama-2-7b",
    "training_tokens": 1e9,
    "sequence_length": S,
    "global_batch_tokens": 1048576,
}
FINETUNE = PRETRAIN | {"method": "full_finetune", "activation_recomputation": "full"}
LORA = FINETUNE | {"method": "lora", "lora_rank": 16}
ONE = {"tensor_parallel": 1, "pipeline_parallel": 1, "micro_batch_size": 1, "sharding": "none"}


def run(keys: dict[str, Any], gpus: int, gpu_id: str = "h100-sxm-80gb", /, **hardware: Any) -> Estimate:
    plan = plan_from_mapping({**keys, "hardware": {**ONE, **hardware}})
    return estimate(plan, gpu(gpu_id), gpus)


def memory(
    keys: dict[str, Any], gpus: int = 8, gpu_id: str = "h100-sxm-80gb", /, **hardware: Any
) -> MemoryGiB:
    found = run(keys, gpus, gpu_id, **hardware).memory_gib
    assert found is not None
    return found


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


# activations


def layer_bytes(extra: float = 0.0, fused: bool = False) -> float:
    """Of one token: 8 d of norms, 4 d of queries and output, keys and values, feed-forward."""
    return (12 + extra) * D + 4 * D + (6 if fused else 8) * F


@pytest.mark.parametrize(
    ("stack", "extra", "fused"), [("megatron", 0, True), ("fsdp", 0, False), ("transformers", 12, False)]
)
def test_a_stack_keeps_its_tensors(stack: str, extra: float, fused: bool) -> None:
    keys = PRETRAIN | {"activation_recomputation": "none"}
    short, long = (
        memory(keys | {"sequence_length": n}, 8, stack=stack).activations
        - memory(
            keys | {"sequence_length": n, "activation_recomputation": "full"}, 8, stack=stack
        ).activations
        for n in (1024, 2048)
    )
    # with recomputation one layer and the inputs of all are there
    expected = 1024 * (layer_bytes(extra, fused) * K.kept_share * (LAYERS - 1) - 2 * D * LAYERS) / GIB
    assert long - short == pytest.approx(expected, rel=1e-6)


def test_sequence_parallelism_divides_the_checkpointed_inputs() -> None:
    """Plan I of the review: of 97.5 GiB 80 were inputs of layers, which eight GPUs divide to 10."""
    plan = plan_from_mapping(
        {
            "model": "llama-2-70b",
            "method": "pretrain",
            "training_tokens": 1e9,
            "sequence_length": 4096,
            "global_batch_tokens": 2097152,
            "activation_recomputation": "full",
            "hardware": {"tensor_parallel": 8, "sharding": "zero3", "micro_batch_size": 16},
        }
    )
    found = estimate(plan, gpu("h100-sxm-80gb"), 256).memory_gib
    assert found is not None
    assert found.total == pytest.approx(97.5 - 80 + 10, abs=5)
    inputs = 16 * 4096 * 2 * 8192 * 80 / 8 / GIB
    assert inputs < found.activations < inputs + 5


def test_without_sequence_parallelism_norms_are_whole_on_every_gpu() -> None:
    keys = PRETRAIN | {"activation_recomputation": "none"}
    split, whole = (
        memory(keys, 8, tensor_parallel=8, sequence_parallel=how, stack="megatron").activations
        for how in (True, False)
    )
    assert whole - split == pytest.approx(S * LAYERS * 8 * D * (1 - 1 / 8) * K.kept_share / GIB)


def test_a_stack_that_keeps_gathered_inputs_holds_two_of_them_a_layer() -> None:
    keys = PRETRAIN | {"activation_recomputation": "none", "loss": "cut"}
    kept, again = (
        memory(keys, 8, tensor_parallel=8, stack=stack, sharding="zero3").activations
        for stack in ("torchtitan", "colossal")
    )
    # colossal's kernels are eager, as is nothing that this measures
    assert kept - again == pytest.approx(S * LAYERS * 4 * D * 7 / 8 * K.kept_share / GIB)


def test_selective_recomputation_keeps_every_second_product_where_its_software_does() -> None:
    """Plan F of the review: TorchTitan's selective kept as much as none, 55.4 GiB, where full took 22.0."""
    keys = PRETRAIN | {"sequence_length": 8192}
    none, selective, full = (
        memory(
            keys | {"activation_recomputation": level}, 8, stack="torchtitan", sharding="zero3"
        ).activations
        for level in ("none", "selective", "full")
    )
    assert full < selective < 0.6 * none
    # input, queries, values, the attention's and the layer's output, gate
    stored = 8192 * LAYERS * (2 + 2 + 2 + 2 + 2) * D + 8192 * LAYERS * 2 * F
    working = 8192 * layer_bytes() * K.kept_share
    logits = 8192 * V * K.plain_logit_bytes
    assert selective == pytest.approx((stored + working + logits) / GIB)
    core = [
        memory(keys | {"activation_recomputation": level}, 8, stack="megatron")
        for level in ("none", "selective")
    ]
    assert core[0] == core[1]


# logits

LOSSES = {
    "plain": K.plain_logit_bytes,
    "parallel": K.parallel_logit_bytes,
    "chunked": 4 + (K.plain_logit_bytes - 4) / 8,
    "fused": 4.0,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_take_what_their_loss_holds(loss: str) -> None:
    with_, without = (memory(PRETRAIN | {"loss": kind}).activations for kind in (loss, "cut"))
    assert (with_ - without) * GIB == pytest.approx(S * (V * LOSSES[loss] - 8 * D))


@pytest.mark.parametrize(
    ("stack", "loss"),
    [
        ("transformers", "plain"),
        ("megatron", "parallel"),
        ("unsloth", "fused"),
        ("llm-foundry", "fused"),
        ("torchtune", "chunked"),
        ("liger", "cut"),
    ],
)
def test_a_stack_has_its_usual_loss(stack: str, loss: str) -> None:
    assert memory(PRETRAIN, 8, stack=stack) == memory(PRETRAIN | {"loss": loss}, 8, stack=stack)


@pytest.mark.parametrize(
    ("model", "gpu_id", "low", "high"),
    [("llama-3-8b", "rtx-4090-24gb", 17, 23), ("llama-2-7b", "t4-16gb", 8.5, 11.5)],
)
def test_long_contexts_on_small_cards_take_what_was_measured(
    model: str, gpu_id: str, low: float, high: float
) -> None:
    """Published peaks of Unsloth with QLoRA at 16,384 tokens: about 20 GB on an RTX 4090, about 10 GB on a T4."""
    keys = {
        "model": model,
        "method": "qlora",
        "sequence_length": 16384,
        "global_batch_tokens": 16384,
        "lora_rank": 16,
    }
    hardware = {"gpu": gpu_id, "gpus": 1, "micro_batch_size": 1, "stack": "unsloth"}
    found = estimate(plan_from_mapping({**keys, "hardware": hardware}), gpu(gpu_id), 1)
    assert found.memory_gib is not None
    assert low <= found.memory_gib.total <= high
    assert found.fits is True


# networks beside the trained one

RL = {
    "model": "llama-3-8b",
    "training_tokens": 1e9,
    "sequence_length": 2048,
    "global_batch_tokens": 131072,
    "activation_recomputation": "full",
}
N3 = 8_030_261_248


@pytest.mark.parametrize(
    ("method", "more", "bytes_per_parameter"),
    [
        ("full_finetune", {}, 0),
        ("dpo", {}, 2),
        ("dpo", {"cached_reference": True}, 0),
        ("dpo", {"lora_rank": 16}, 0),
        ("grpo", {}, 2),
        ("grpo", {"lora_rank": 16}, 0),
        ("ppo", {}, 2 + 2 + 16),
        ("ppo", {"reward_parameters": N3 / 2, "critic_parameters": N3 / 2}, 2 + 1 + 8),
        ("distillation", {}, 2),
        ("distillation", {"teacher_parameters": 2 * N3}, 4),
    ],
)
def test_networks_beside_take_memory_where_they_live(
    method: str, more: dict[str, Any], bytes_per_parameter: float
) -> None:
    found = memory(RL | {"method": method} | more, 8, sharding="zero3")
    assert found.beside == pytest.approx(bytes_per_parameter * N3 / 8 / GIB, rel=1e-3)


def test_ppo_needs_its_three_other_networks() -> None:
    """Plan G of the review: 20.6 GiB for PPO, GRPO, DPO and fine-tuning alike."""
    assert memory(RL | {"method": "ppo"}, 8, sharding="zero3").total > 39


def test_a_teacher_that_does_not_fit_is_told() -> None:
    """Plan H of the review: it fitted, with a teacher of 754 GiB on two GPUs."""
    keys = {
        "model": "llama-3-8b",
        "method": "distillation",
        "teacher_parameters": 405e9,
        "training_tokens": 5e7,
    }
    plan = plan_from_mapping({**keys, "sequence_length": 2048, "hardware": {"sharding": "zero3"}})
    found = estimate(plan, gpu("h100-sxm-80gb"), 2)
    assert found.fits is False
    assert found.memory_gib is not None
    assert found.memory_gib.beside == pytest.approx(405e9 * 2 / 2 / GIB)


def test_preference_training_of_adapters_freezes_the_network() -> None:
    dpo, lora = (memory(LORA | {"method": method}, 1) for method in ("dpo", "lora"))
    assert (dpo.weights, dpo.gradients, dpo.optimizer) == (lora.weights, lora.gradients, lora.optimizer)


def test_preference_training_passes_a_pair_at_least() -> None:
    one, two, four = (memory(LORA | {"method": "dpo"}, 1, micro_batch_size=n).activations for n in (1, 2, 4))
    assert one == two == pytest.approx(four / 2)


def test_a_rollout_engine_takes_turns_with_the_activations() -> None:
    """It needs 16-bit weights and the cache of the sequences that a replica writes at once, at least eight."""
    keys = RL | {"method": "grpo", "loss": "cut"}
    with_, without = (
        memory(keys, 8, sharding="zero3", rollout_engine=place) for place in ("colocated", "separate")
    )
    # 8 heads of keys and values of 128 elements in 32 layers
    needed = (2 * N3 + 8 * 2048 * 2 * 2 * 8 * 128 * 32) / GIB
    assert without.rollout == 0
    assert with_.rollout == pytest.approx(needed - with_.activations * SLACK, rel=1e-3)


def test_a_large_engine_is_divided_over_gpus() -> None:
    keys = RL | {"method": "grpo", "model": "llama-2-70b", "loss": "cut"}
    weights = 2 * 69e9 / 4 / GIB
    assert weights < memory(keys, 64, sharding="zero3").rollout + 5 < 1.5 * weights


# offload


def test_an_offloaded_optimizer_leaves_the_gpu_for_the_host() -> None:
    """ZeRO-Offload: 32-bit weights, both moments and gradients, whatever the optimizer keeps on a GPU."""
    kept, moved = (run(FINETUNE, 8, sharding="zero3", offload=where) for where in ("none", "optimizer"))
    assert kept.memory_gib is not None and moved.memory_gib is not None
    assert moved.memory_gib.optimizer == 0 < kept.memory_gib.optimizer
    assert (kept.host_memory_gib, moved.host_memory_gib) == (0, pytest.approx(16 * N / GIB))


def test_nodes_share_what_is_offloaded() -> None:
    one, four = (
        run(FINETUNE, n, sharding="zero3", offload="optimizer").host_memory_gib or 0 for n in (8, 32)
    )
    assert four == pytest.approx(one / 4)


def test_offloaded_parameters_leave_two_layers_and_the_head() -> None:
    found = memory(FINETUNE | {"loss": "cut"}, 2, "rtx-4090-24gb", sharding="zero3", offload=["parameters"])
    assert (found.weights, found.optimizer) == (0, 0)
    assert found.total < 12


def test_qlora_of_70b_fits_two_small_cards_with_offload() -> None:
    """Measured with FSDP and QLoRA on two RTX 4090 at 2 x 2,048 tokens: 14.92 GiB each."""
    keys = {"model": "llama-2-70b", "method": "qlora", "sequence_length": 2048, "dataset_tokens": 1e6}
    hardware = {"sharding": "zero3", "micro_batch_size": 2, "offload": "parameters", "stack": "transformers"}
    plan = plan_from_mapping({**keys, "activation_recomputation": "full", "hardware": hardware})
    found = estimate(plan, gpu("rtx-4090-24gb"), 2)
    assert found.fits is True
    assert found.memory_gib is not None
    assert found.memory_gib.low <= 14.92 <= found.memory_gib.high * 1.1


def test_offloaded_parameters_are_fetched_in_every_pass() -> None:
    """32 GB/s of one direction of the bus: at least a share of the time of 2 x 2 bytes a parameter shows."""
    keys = FINETUNE | {"model": "llama-3.2-1b", "global_batch_tokens": 65536}
    on_gpu, away = (
        run(keys, 2, sharding="zero3", offload=place).step_seconds or 0
        for place in ("optimizer", "parameters")
    )
    fetched = 8 * 2 * 2 * 1.236e9 / 2 / 64e9
    assert away - on_gpu == pytest.approx((1 - K.overlap) * fetched, rel=0.3)


def test_offloaded_activations_leave_two_layers() -> None:
    keys = FINETUNE | {"loss": "cut"}
    kept, moved = (run(keys, 8, offload=where) for where in ("none", "activations"))
    assert kept.memory_gib is not None and moved.memory_gib is not None
    left = kept.memory_gib.activations - moved.memory_gib.activations
    assert left == pytest.approx(S * 2 * D * (LAYERS - 2) / GIB)
    assert moved.host_memory_gib == pytest.approx(8 * left)


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


def test_the_total_is_the_sum_of_its_parts() -> None:
    m = memory(RL | {"method": "ppo"}, 8, sharding="zero3")
    parts = m.weights + m.gradients + m.optimizer + m.activations + m.beside + m.rollout + m.overhead
    assert m.total == pytest.approx(parts)


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


@settings(max_examples=40, deadline=None)
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

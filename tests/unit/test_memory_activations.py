"""What activations and logits take: the tensors of each stack, each way to recompute, each loss."""

from __future__ import annotations

import pytest

from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from tests.unit.memory_plans import (
    GIB,
    LAYERS,
    PRETRAIN,
    D,
    F,
    K,
    S,
    V,
    memory,
)

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

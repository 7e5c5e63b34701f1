"""Divisions that somebody runs: by what joins the GPUs, and by what the software's recipes do."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gpuledger.core.estimate.device import device
from gpuledger.core.estimate.estimate import Estimate
from gpuledger.core.estimate.layout import split_over
from gpuledger.core.estimate.search import estimate_plan
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping

PRETRAIN = {"method": "pretrain", "training_tokens": 1e10, "sequence_length": 2048}
ONLINE = {"model": "llama-3.1-8b", "training_tokens": 1e8, "sequence_length": 4096}
CARDS = ("rtx-4090-24gb", "rtx-3090-24gb", "rtx-5090-32gb", "l40s-48gb", "a10g-24gb", "rtx-6000-ada-48gb")


def on(gpu_id: str, gpus: int, hardware: dict[str, Any] | None = None, **keys: Any) -> Estimate:
    return estimate_plan(
        plan_from_mapping({**keys, "hardware": {"gpu": gpu_id, "gpus": gpus, **(hardware or {})}})
    )


@pytest.mark.parametrize("gpu_id", CARDS)
@pytest.mark.parametrize(("model", "gpus"), [("llama-3.2-3b", 4), ("llama-3-8b", 8), ("llama-3-8b", 64)])
def test_nobody_splits_a_layer_over_a_bus(gpu_id: str, model: str, gpus: int) -> None:
    assert on(gpu_id, gpus, model=model, **PRETRAIN).parallelism["tensor_parallel"] == 1


def test_eight_consumer_cards_share_8b_by_zero_3_and_what_does_not_fit_names_the_offload() -> None:
    found = on("rtx-4090-24gb", 8, model="llama-3-8b", **PRETRAIN)
    assert (found.fits, found.parallelism["sharding"]) == (False, "zero3")
    (hint,) = [text for text in found.warnings if text.startswith("hardware.offload")]
    assert 'hardware.offload = ["optimizer"] would fit' in hint


@pytest.mark.parametrize(
    ("gpu_id", "crosses_bus", "most"),
    [
        ("h100-sxm-80gb", False, math.inf),
        ("a100-pcie-40gb", False, 2),
        ("l40s-48gb", False, 1),
        # tuned software crosses a bus over which cards read each other: NVIDIA's MLPerf results on L40S
        ("l40s-48gb", True, math.inf),
        ("rtx-4090-24gb", True, 1),
    ],
)
def test_tensor_parallelism_is_tried_as_far_as_links_or_tuned_software_take_it(
    gpu_id: str, crosses_bus: bool, most: float
) -> None:
    rates = device(plan_from_mapping({"model": "llama-2-13b"}), gpu(gpu_id))
    assert split_over(rates.joined_gpus, rates.has_peer_access, crosses_bus) == most


def test_a_stated_degree_is_taken_on_any_card() -> None:
    found = on("rtx-4090-24gb", 8, {"tensor_parallel": 8}, model="llama-3-8b", **PRETRAIN)
    assert (found.fits, found.parallelism["tensor_parallel"]) == (True, 8)


@pytest.mark.parametrize("stack", ["fsdp", "llm-foundry", "litgpt", "torchtune", "tinyllama"])
def test_software_on_fsdp_shards_everything_whatever_the_size(stack: str) -> None:
    plan = {"model": "tinyllama-1.1b", **PRETRAIN}
    assert on("a100-sxm-40gb", 16, {"stack": stack}, **plan).parallelism["sharding"] == "zero3"
    assert (
        on("a100-sxm-40gb", 16, {"stack": stack, "sharding": "zero2"}, **plan).parallelism["sharding"]
        == "zero2"
    )
    assert on("a100-sxm-40gb", 16, {"stack": "nanogpt"}, **plan).parallelism["sharding"] == "zero1"


@pytest.mark.parametrize(
    ("layers", "hidden_size", "sequences"), [(12, 768, 64), (24, 1024, 32), (36, 1280, 32), (48, 1600, 16)]
)
def test_narrow_layers_take_more_tokens_a_pass(layers: int, hidden_size: int, sequences: int) -> None:
    """llm.c, scripts/run_gpt2_*.sh: 64, 64, 32 and 16 sequences of 1,024."""
    plan = {
        "architecture": {
            "layers": layers,
            "hidden_size": hidden_size,
            "attention_heads": hidden_size // 64,
            "ffn_hidden_size": 4 * hidden_size,
            "vocabulary_size": 50257,
            "gated_ffn": False,
        },
        **PRETRAIN,
        "sequence_length": 1024,
        "global_batch_tokens": 1_048_576,
    }
    found = on("h100-sxm-80gb", 8, {"stack": "llm.c"}, **plan).parallelism["micro_batch_size"]
    assert found == sequences


@pytest.mark.parametrize("method", ["grpo", "ppo"])
@pytest.mark.parametrize("stack", [None, "verl", "trl", "openrlhf"])
def test_reinforcement_learning_shards_everything_and_checkpoints(method: str, stack: str | None) -> None:
    found = on("h100-sxm-80gb", 16, {"stack": stack}, **ONLINE, method=method).parallelism
    assert (found["tensor_parallel"], found["pipeline_parallel"], found["sharding"]) == (1, 1, "zero3")
    assert found["activation_recomputation"] == "full"


def test_a_group_of_reasoned_answers_is_generated_nearly_whole() -> None:
    """NeMo RL, performance summary (v0.4): 1,562 tokens per second and GPU of Llama 3.1 8B on 16 H100."""
    found = on("h100-sxm-80gb", 16, **ONLINE, method="grpo")
    assert found.tokens_per_second is not None
    assert found.tokens_per_second / 16 == pytest.approx(1562, rel=0.2)


def test_memory_that_ends_with_the_card_has_an_interval_that_ends_there() -> None:
    found = on("h100-sxm-80gb", 16, {"stack": "nemo"}, **ONLINE, method="grpo")
    assert found.fits and found.memory_gib is not None
    assert found.memory_gib.high <= 80 * 0.98 * (1 + 1e-6)

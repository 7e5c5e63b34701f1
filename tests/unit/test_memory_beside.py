"""Memory beside the trained network: references, rewards, teachers and rollouts, and what is offloaded to the host."""

from __future__ import annotations

from typing import Any

import pytest

from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping
from tests.unit.memory_plans import (
    FINETUNE,
    GIB,
    LAYERS,
    LORA,
    SLACK,
    D,
    K,
    N,
    S,
    memory,
    run,
)

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


def test_the_total_is_the_sum_of_its_parts() -> None:
    m = memory(RL | {"method": "ppo"}, 8, sharding="zero3")
    parts = m.weights + m.gradients + m.optimizer + m.activations + m.beside + m.rollout + m.overhead
    assert m.total == pytest.approx(parts)


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

"""What is the most that fits: micro-batch, sequence, and states moved to the host."""

from __future__ import annotations

from gpuledger.core.estimate.estimate import estimate
from gpuledger.core.estimate.search import largest_micro_batch, longest_sequence
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, plan_from_mapping


def plan(**hardware: object) -> TrainingPlan:
    keys = {"model": "llama-2-7b", "method": "lora", "lora_rank": 8, "activation_recomputation": "full"}
    return plan_from_mapping({**keys, "hardware": {"tensor_parallel": 1, "sharding": "none", **hardware}})


def test_one_more_sequence_than_the_largest_micro_batch_does_not_fit() -> None:
    size = largest_micro_batch(plan(), gpu("a100-sxm-40gb"), 1)
    assert size > 1
    assert estimate(plan(micro_batch_size=size), gpu("a100-sxm-40gb"), 1).fits
    assert not estimate(plan(micro_batch_size=size + 1), gpu("a100-sxm-40gb"), 1).fits


def test_the_longest_sequence_grows_with_memory() -> None:
    short, long = (longest_sequence(plan(), gpu(g), 1) for g in ("rtx-4090-24gb", "a100-sxm-80gb"))
    assert 1024 < short < long
    assert short % 128 == 0


def test_what_does_not_fit_at_all_has_a_largest_micro_batch_of_zero() -> None:
    half = plan_from_mapping({"model": "llama-2-7b", "method": "lora", "lora_rank": 8, "precision": "fp16"})
    assert largest_micro_batch(half, gpu("t4-16gb"), 1) == 0


def test_offloaded_states_leave_the_gpu_and_slow_the_step() -> None:
    keys = {"model": "llama-3.2-1b", "method": "full_finetune"}
    kept, moved = (
        estimate(plan_from_mapping({**keys, "hardware": {"offload": where}}), gpu("rtx-4090-24gb"), 1)
        for where in ("none", "optimizer")
    )
    assert kept.memory_gib is not None and moved.memory_gib is not None
    assert moved.memory_gib.optimizer == 0 < kept.memory_gib.optimizer
    fixed = {"micro_batch_size": 1, "sharding": "none"}
    times = [
        estimate(plan_from_mapping({**keys, "hardware": {**fixed, "offload": where}}), gpu("l40s-48gb"), 1)
        for where in ("none", "optimizer")
    ]
    assert (times[0].step_seconds or 0) < (times[1].step_seconds or 0)

"""The largest micro-batch and the longest sequence that fit, all else as the plan has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.gpu import GPU
from gpuledger.core.gpu import gpus as known_gpus
from gpuledger.core.plan import TrainingPlan

MOST_SEQUENCES = 4096
LONGEST_SEQUENCE = 1 << 24
SEQUENCE_STEP = 128


def largest_micro_batch(plan: TrainingPlan, gpu: GPU, gpus: int) -> int:
    """Sequences per GPU and pass that fit; 0 if not even one does."""

    def fits(size: int) -> bool:
        return _fits(plan, gpu, gpus, hardware=plan.hardware.model_copy(update={"micro_batch_size": size}))

    return _largest(fits, MOST_SEQUENCES)


def longest_sequence(plan: TrainingPlan, gpu: GPU, gpus: int) -> int:
    """Tokens of the longest sequence that fits, in steps of 128, one sequence per pass; 0 if none does."""
    hardware = plan.hardware.model_copy(update={"micro_batch_size": plan.hardware.micro_batch_size or 1})

    def fits(steps: int) -> bool:
        length = steps * SEQUENCE_STEP
        batch = max(plan.global_batch_tokens or 0.0, float(length))
        return _fits(plan, gpu, gpus, hardware=hardware, sequence_length=length, global_batch_tokens=batch)

    return SEQUENCE_STEP * _largest(fits, LONGEST_SEQUENCE // SEQUENCE_STEP)


def limits_of(plan: TrainingPlan, found: Estimate) -> dict[str, int | None]:
    """Both limits on the hardware of an estimate; none where hours are quoted and memory is not computed."""
    if found.memory_gib is None:
        return {"largest_micro_batch": None, "longest_sequence": None}
    gpu = known_gpus()[found.gpu_id]
    return {
        "largest_micro_batch": largest_micro_batch(plan, gpu, found.gpus),
        "longest_sequence": longest_sequence(plan, gpu, found.gpus),
    }


def _fits(plan: TrainingPlan, gpu: GPU, gpus: int, **changed: Any) -> bool:
    return estimate(plan.model_copy(update=changed), gpu, gpus).fits is True


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits, where smaller ones always do."""
    low, high = 0, 1
    while high <= most and fits(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low

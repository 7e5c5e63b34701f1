"""Hardware for a plan: estimates of many choices at once, and the smallest that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from gpuledger.core.count import counted, hours_text
from gpuledger.core.errors import DoesNotFitError, EstimateError, InvalidPlanError
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.sweep import Candidate, HardwareChoices, Sweep, in_groups, refusal, sweep
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import GPU, gpu, gpus
from gpuledger.core.parallel import slices_in_processes
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.plan_sections import HOURS_PER_DAY

Objective = Literal["fastest", "fewest_gpu_hours"]
# 512 nodes is more than any cloud sells in one piece
NODE_COUNTS = tuple(1 << power for power in range(10))


# of the largest runs: Llama 3.1 405B had 2,048 nodes (arXiv:2407.21783, section 3.3.1)
LARGE_NODE_COUNTS = tuple(1 << power for power in range(12))
LARGE_RUN_FLOPS = 1e24


def node_counts(gpus_per_node: int, *, is_large: bool = False) -> tuple[int, ...]:
    """Counts of GPUs: parts of a node in powers of two, then powers of two of nodes."""
    parts = tuple(count for count in NODE_COUNTS if count < gpus_per_node)
    return parts + tuple(gpus_per_node * n for n in (LARGE_NODE_COUNTS if is_large else NODE_COUNTS))


def _is_large(plan: TrainingPlan) -> bool:
    """Whether 512 nodes may be too few to end a run in time."""
    if plan.is_quoted or plan.hardware.gpus is not None:
        return False
    w = demand(plan).workload
    return bool(w.tokens * w.model_flops_per_token >= LARGE_RUN_FLOPS)


def hardware_for(plan: TrainingPlan) -> HardwareChoices:
    """What the plan may run on: the GPU and the count that it names, else all of the seeds and parts and
    multiples of a node. Plans that leave the same open share it, with all that it has prepared.
    """
    hw = plan.hardware
    return _hardware(hw.gpu, hw.gpus, hw.gpus_per_node, plan.constraints.max_gpus, _is_large(plan))


# more than there are GPUs in the seeds, so that a search over all of them does not push itself out
@lru_cache(maxsize=1024)
def _hardware(
    gpu_id: str | None, count: int | None, per_node: int | None, most: int | None, is_large: bool
) -> HardwareChoices:
    chips = gpus().values() if gpu_id is None else [gpu(gpu_id)]
    out: list[Candidate] = []
    for chip in chips:
        node = per_node or chip.gpus_per_node
        counts = node_counts(node, is_large=is_large) if count is None else (count,)
        out += [Candidate(gpu=chip, gpus=n, gpus_per_node=node) for n in counts if most is None or n <= most]
    return HardwareChoices(out)


def best(swept: Sweep, plan: TrainingPlan, objective: Objective = "fewest_gpu_hours") -> Estimate:
    """The estimate that serves the objective best among those that fit and end in time.

    Raises:
        DoesNotFitError: none fits, or none of those that fit ends by the plan's deadline or within its
            `constraints.max_wall_days`; says by how much.
    """
    wall = np.where(swept.fits, swept.wall_hours, np.inf)
    if not np.isfinite(wall).any():
        tried = np.flatnonzero(~np.isnan(swept.wall_hours))
        sizes = np.array([swept.on.candidates[i].gpu.memory_gib or np.inf for i in tried.tolist()])
        least = float((swept.memory_gib[tried] / sizes).min(initial=np.inf))
        needs = f"the closest needs {least:.2f} of memory" if len(tried) else "no division is possible"
        raise DoesNotFitError(f"{plan.name}: none of {counted(len(tried), 'choice')} fits; {needs}")
    longest, deadline = plan.constraints.longest_wall_hours, plan.constraints.deadline_hours
    if plan.hardware.gpus is not None:
        longest = np.inf
    in_time = (wall <= min(longest, np.inf if deadline is None else deadline)) & np.isfinite(wall)
    if not in_time.any():
        fastest = float(wall.min())
        if deadline is not None and deadline <= longest:
            raise DoesNotFitError(
                f"{plan.name}: no choice meets the deadline of {deadline:g} h; the fastest takes {fastest:.1f} h"
            )
        raise DoesNotFitError(f"{plan.name}: {_too_long(plan, fastest)}")
    hours = wall if objective == "fastest" else wall * swept.on.gpus
    order = np.lexsort((swept.on.gpus, np.where(in_time, hours, np.inf)))
    chosen = int(order[0])
    frugal = int(np.lexsort((swept.on.gpus, hours))[0])
    return _beside_frugal(swept, chosen, frugal) if objective != "fastest" else swept.estimate(chosen)


def _too_long(plan: TrainingPlan, fastest_hours: float) -> str:
    return (
        f"no choice ends within constraints.max_wall_days of {plan.constraints.longest_wall_hours / HOURS_PER_DAY:g}; "
        f"the fastest takes {fastest_hours / HOURS_PER_DAY:.0f} days"
    )


def _beside_frugal(swept: Sweep, chosen: int, frugal: int) -> Estimate:
    """The chosen estimate, with a line on the one of fewer GPU-hours that takes too long, where there is one."""
    made = swept.estimate(chosen)
    if frugal == chosen or swept.gpu_hours[frugal] >= swept.gpu_hours[chosen]:
        return made
    other, wall_hours = swept.on.candidates[frugal], float(swept.wall_hours[frugal])
    text = (
        f"{other.gpus} x {other.gpu.gpu_id} takes fewer GPU-hours, {swept.gpu_hours[frugal]:,.0f}, "
        f"but {hours_text(wall_hours)}: longer than the plan may"
    )
    return replace(made, warnings=(*made.warnings, text))


def on_each(
    plan: TrainingPlan, chips: Iterable[GPU], count: int | None = None
) -> list[Estimate | EstimateError]:
    """For each GPU the estimate with that many, or with the fewest that hold the plan and end within its
    `constraints.max_wall_days`, or why there is none.

    Without a count, parts of a node are tried, then nodes in powers of two up to 512.
    """
    hw = plan.hardware
    most, is_large = None if count is not None else plan.constraints.max_gpus, _is_large(plan)
    choices = {chip.gpu_id: _hardware(chip.gpu_id, count, hw.gpus_per_node, most, is_large) for chip in chips}
    able = [on for gpu_id, on in choices.items() if refusal(plan, gpu(gpu_id)) is None]
    swept = sweep(plan, _joined(tuple(able)))
    starts = np.cumsum([0, *(len(on.candidates) for on in able)]).tolist()
    at = {on: range(start, end) for on, (start, end) in zip(able, pairwise(starts), strict=True)}
    return [_first(plan, gpu(gpu_id), swept, at.get(on)) for gpu_id, on in choices.items()]


@lru_cache(maxsize=16)
def _joined(parts: tuple[HardwareChoices, ...]) -> HardwareChoices:
    return HardwareChoices(candidate for on in parts for candidate in on.candidates)


def _first(plan: TrainingPlan, chip: GPU, swept: Sweep, positions: range | None) -> Estimate | EstimateError:
    if positions is None:
        error = refusal(plan, chip)
        assert error is not None
        return error
    if not positions:
        return DoesNotFitError(
            f"{plan.name}: constraints.max_gpus of {plan.constraints.max_gpus} allows no count"
        )
    possible = [position for position in positions if not np.isnan(swept.wall_hours[position])]
    fitting = [position for position in possible if swept.fits[position]]
    most = swept.on.candidates[positions[-1]].gpus
    if len(positions) == 1 and possible:
        return swept.estimate(possible[0])
    longest = plan.constraints.longest_wall_hours
    in_time = [position for position in fitting if swept.wall_hours[position] <= longest]
    if in_time:
        frugal = min(fitting, key=lambda position: float(swept.gpu_hours[position]))
        return _beside_frugal(swept, in_time[0], frugal)
    if fitting:
        return DoesNotFitError(f"{plan.name}: {_too_long(plan, min(swept.wall_hours[fitting]))}")
    if not possible:
        tried = f"{most} GPUs" if len(positions) == 1 else f"any count of GPUs up to {most}"
        return InvalidPlanError("hardware", f"the parallelism given does not divide {tried}")
    memory = swept.memory_gib[possible]
    return DoesNotFitError(
        f"{plan.name}: needs {float(memory.min()):.1f} GiB per GPU at best, "
        f"{chip.gpu_id} has {chip.memory_gib or 0:g} GiB (tried up to {most} GPUs)"
    )


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


def limits_of(plan: TrainingPlan, made: Estimate) -> dict[str, int | None]:
    """Both limits on the hardware of an estimate; none where hours are quoted and memory is not computed."""
    if made.memory_gib is None:
        return {"largest_micro_batch": None, "longest_sequence": None}
    gpu = gpus()[made.gpu_id]
    return {
        "largest_micro_batch": largest_micro_batch(plan, gpu, made.gpus),
        "longest_sequence": longest_sequence(plan, gpu, made.gpus),
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


def estimate_plan(plan: TrainingPlan, objective: Objective = "fewest_gpu_hours") -> Estimate:
    """The estimate of one plan: on the hardware it names, else on the best of the seeds.

    Raises:
        InvalidPlanError, UnknownGPUError, DoesNotFitError: as the parts raise them.
    """
    hw = plan.hardware
    if hw.gpu is not None and hw.gpus is not None:
        return estimate(plan, gpu(hw.gpu), hw.gpus)
    error = None if hw.gpu is None else refusal(plan, gpu(hw.gpu))
    if error is not None:
        raise error
    return best(sweep(plan, hardware_for(plan)), plan, objective)


def frugal(
    plans: Sequence[TrainingPlan], on: HardwareChoices, workers: int = 1
) -> list[tuple[int, float] | None]:
    """For each plan the candidate of fewest GPU-hours that fits and ends in time, or `None` if none does."""
    return list(slices_in_processes(partial(_frugal_of_each, on=on), plans, workers))


def _frugal_of_each(plans: Sequence[TrainingPlan], on: HardwareChoices) -> list[tuple[int, float] | None]:
    made = {position: _frugal(plans[position], on) for group in in_groups(plans, on) for position in group}
    return [made[position] for position in range(len(plans))]


def _frugal(plan: TrainingPlan, on: HardwareChoices) -> tuple[int, float] | None:
    swept = sweep(plan, on)
    longest = np.inf if plan.hardware.gpus is not None else plan.constraints.longest_wall_hours
    fitting = np.where(swept.fits & (swept.wall_hours <= longest), swept.gpu_hours, np.inf)
    best_at = int(np.argmin(fitting))
    return (best_at, float(fitting[best_at])) if np.isfinite(fitting[best_at]) else None

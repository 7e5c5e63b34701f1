"""Hardware for a plan: estimates of many choices at once, and the smallest that fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import DoesNotFitError, InvalidPlanError
from core.estimate.constants import constants
from core.estimate.device import device
from core.estimate.estimate import Estimate, estimates, refuse_above_ceiling
from core.gpu import GPU, gpus
from core.plan import TrainingPlan

Objective = Literal["fastest", "fewest_gpu_hours"]
# 512 nodes is more than any cloud sells in one piece
NODE_COUNTS = tuple(1 << power for power in range(10))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One hardware choice: that many of that GPU, so many to a node."""

    gpu: GPU
    gpus: int
    gpus_per_node: int


def refusal(plan: TrainingPlan, gpu: GPU) -> InvalidPlanError | None:
    """Why the plan cannot run on that GPU in any number, or `None` if it can."""
    if plan.is_quoted:
        return None
    k = constants()
    try:
        device(plan, gpu)
        if plan.hardware.mfu is not None:
            refuse_above_ceiling(plan.hardware.mfu, gpu, k)
    except InvalidPlanError as error:
        return error
    return None


def search(plan: TrainingPlan, candidates: Iterable[Candidate]) -> list[Estimate]:
    """Estimates of the candidates that can run the plan at all, in the order given; some may not fit.

    Left out are candidates whose GPU refuses the plan (`refusal` says why) and counts that the plan's own
    parallelism does not divide.
    """
    rows = list(candidates)
    able = {c.gpu.gpu_id: refusal(plan, c.gpu) is None for c in rows}
    return estimates(plan, [(c.gpu, c.gpus, c.gpus_per_node) for c in rows if able[c.gpu.gpu_id]])


def seed_candidates(plan: TrainingPlan, among: Iterable[GPU] | None = None) -> list[Candidate]:
    """Every GPU that can run the plan, or those given, in parts of a node and in powers of two of nodes."""
    known = gpus().values() if among is None else among
    out: list[Candidate] = []
    for gpu in known:
        if refusal(plan, gpu) is not None:
            continue
        node = plan.hardware.gpus_per_node or gpu.gpus_per_node
        counts = [count for count in NODE_COUNTS if count < node] + [node * nodes for nodes in NODE_COUNTS]
        if plan.hardware.gpus is not None:
            counts = [plan.hardware.gpus]
        out += [Candidate(gpu=gpu, gpus=count, gpus_per_node=node) for count in counts]
    limit = plan.constraints.max_gpus
    return [c for c in out if limit is None or c.gpus <= limit]


def best(
    found: Sequence[Estimate], plan: TrainingPlan, objective: Objective = "fewest_gpu_hours"
) -> Estimate:
    """The estimate that serves the objective best among those that fit and meet the plan's deadline.

    Raises:
        DoesNotFitError: none fits, or none of those that fit meets the deadline; says by how much.
    """
    fitting = [e for e in found if e.fits is not False]
    if not fitting:
        least = min(
            (e.memory_gib.total / e.gpu_memory_gib for e in found if e.memory_gib and e.gpu_memory_gib),
            default=0.0,
        )
        raise DoesNotFitError(
            f"{plan.name}: none of {len(found)} choices fits; the closest needs {least:.2f} of memory"
        )
    deadline = plan.constraints.deadline_hours
    in_time = [e for e in fitting if deadline is None or e.wall_hours.mid <= deadline]
    if not in_time:
        fastest = min(e.wall_hours.mid for e in fitting)
        raise DoesNotFitError(
            f"{plan.name}: no choice meets the deadline of {deadline:g} h; the fastest takes {fastest:.1f} h"
        )
    if objective == "fastest":
        return min(in_time, key=lambda e: (e.wall_hours.mid, e.gpus))
    return min(in_time, key=lambda e: (e.gpu_hours.mid, e.gpus))


def smallest_fit(plan: TrainingPlan, gpu: GPU, gpus_per_node: int) -> Estimate:
    """The estimate with the fewest GPUs that hold the plan: parts of a node, then nodes in powers of two.

    Raises:
        InvalidPlanError: the plan cannot run on that GPU.
        DoesNotFitError: it fits on no count up to 512 nodes; says by how much.
    """
    error = refusal(plan, gpu)
    if error is not None:
        raise error
    parts = [count for count in NODE_COUNTS if count < gpus_per_node]
    counts = parts + [gpus_per_node * nodes for nodes in NODE_COUNTS]
    found = search(plan, [Candidate(gpu=gpu, gpus=count, gpus_per_node=gpus_per_node) for count in counts])
    fitting = next((e for e in found if e.fits is not False), None)
    if fitting is not None:
        return fitting
    if not found:
        raise InvalidPlanError(
            "hardware", f"the parallelism given divides no count of GPUs up to {counts[-1]}"
        )
    least = min(found, key=lambda e: e.memory_gib.total if e.memory_gib else 0.0)
    need = least.memory_gib.total if least.memory_gib else 0.0
    raise DoesNotFitError(
        f"{plan.name}: needs {need:.1f} GiB per GPU at best, {gpu.gpu_id} has {gpu.memory_gib or 0:g} GiB "
        f"(tried up to {counts[-1]} GPUs)"
    )

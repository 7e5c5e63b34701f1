"""Hardware for a plan: estimates of many choices at once, and the smallest that fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import DoesNotFitError, InvalidPlanError
from core.estimate.constants import constants
from core.estimate.device import device
from core.estimate.estimate import Estimate, estimates, refuse_above_ceiling
from core.gpu import GPU
from core.plan import TrainingPlan

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

"""A plan on published hardware, as the choice of divisions takes it."""

from __future__ import annotations

from gpuledger.core.estimate.best_layout import LayoutRow
from gpuledger.core.estimate.device import device
from gpuledger.core.estimate.workload import demand
from gpuledger.core.gpu import gpus
from gpuledger.core.plan import TrainingPlan


def row_of(plan: TrainingPlan, gpu_id: str, count: int, gpu_memory_gib: float | None = None) -> LayoutRow:
    """The row of that plan on so many GPUs."""
    plan = plan.model_copy(update={"hardware": plan.hardware.model_copy(update={"gpus": count})})
    gpu = gpus()[gpu_id]
    return LayoutRow(
        need=demand(plan),
        device=device(plan, gpu),
        gpus=count,
        gpus_per_node=plan.hardware.gpus_per_node or gpu.gpus_per_node,
        gpu_memory_gib=gpu_memory_gib or gpu.memory_gib or 0.0,
    )

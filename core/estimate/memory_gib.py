"""The memory of one division as an estimate shows it: components, sum, interval, and the least that would do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.memory import Memory, memory
from gpuledger.core.estimate.workload import Demand


@dataclass(frozen=True, kw_only=True)
class MemoryGiB:
    """Memory of the fullest GPU by component, in GiB."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    beside: float
    """Networks beside the trained one: reference, reward, critic, teacher."""
    rollout: float
    """A rollout engine on the same GPUs, beyond what activations leave free for it."""
    overhead: float
    total: float
    low: float
    """`low` to `high` is an 80 percent interval around what such a plan was measured to take."""
    high: float
    least: float
    """The total where everything is recomputed, one sequence a pass, as far as the plan leaves that open."""


def memory_gib(
    need: Demand, used: Memory, row: int, layout: Layout, limit_gib: float, k: Constants
) -> MemoryGiB:
    """One row of the memory of many divisions.

    The interval begins below the least that would do, as who leaves micro-batch or recomputation open may take that,
    and ends with the GPU's memory, as nobody who ran had more.

    Args:
        layout: the division of that row alone.
        limit_gib: of the GPU's memory, what a plan may use.
    """
    parts = {
        name: float(value[row]) if getattr(value, "ndim", 0) else float(value)
        for name, value in vars(used).items()
        if name != "generation"
    }
    total = sum(parts.values())
    smallest = min(least(need, layout, k), total)
    spread = math.exp(memory_half_width(need, k))
    high = min(total * spread, limit_gib) if total <= limit_gib else total * spread
    return MemoryGiB(**parts, total=total, low=smallest / spread, high=high, least=smallest)


def least(need: Demand, layout: Layout, k: Constants) -> float:
    """GiB with every layer recomputed and one sequence a pass, unless the plan states either."""
    if need.plan.hardware.micro_batch_size is None:
        layout = layout.replace(micro_batch_size=1.0)
    if need.plan.activation_recomputation == "auto":
        layout = layout.replace(recomputation=2.0)
    return float(memory(need.workload, layout, k).total)


def memory_half_width(need: Demand, k: Constants) -> float:
    """Half width of the 80 percent interval of memory, as a logarithm: by what is trained, and wider in quadrature for
    each input that the plan leaves out.
    """
    left_out = math.sqrt(unstated(need))
    if need.plan.has_adapters:
        return math.hypot(k.adapter_memory_spread, k.assumed_adapter_memory_spread * left_out)
    return math.hypot(k.memory_spread, k.assumed_memory_spread * left_out)


def unstated(need: Demand) -> int:
    """How many of the inputs that decide memory a plan leaves out: software, division, micro-batch, recomputation."""
    plan, hw = need.plan, need.plan.hardware
    degrees = (hw.tensor_parallel, hw.pipeline_parallel, hw.context_parallel, hw.expert_parallel, hw.sharding)
    divided = any(degree is not None for degree in degrees) or hw.gpus == 1
    left_out = (
        hw.stack is None,
        not divided,
        hw.micro_batch_size is None,
        plan.activation_recomputation == "auto",
    )
    return sum(left_out)

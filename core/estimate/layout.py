"""How a job is divided: the degrees of parallelism, the micro-batch and what is recomputed.

A `Layout` holds one division or arrays of many. `divisions` lists those worth trying for one plan:
those that it fixes, else the usual ones, tensor parallelism inside a node (Megatron-LM, arXiv:2104.04473,
section 5.4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.plan import Hardware, TrainingPlan

RECOMPUTATION = ("none", "selective", "full")
DEGREES = ("tensor_parallel", "pipeline_parallel", "context_parallel")
LONG_SEQUENCE = 8192
SHARDING = ("none", "zero1", "zero2", "zero3")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Degrees as counts; `sharding` and `recomputation` are positions in the tuples above."""

    gpus: Any
    tensor_parallel: Any
    pipeline_parallel: Any
    virtual_pipeline: Any
    context_parallel: Any
    expert_parallel: Any
    sharding: Any
    recomputation: Any
    micro_batch_size: Any
    gpus_per_node: Any

    @property
    def data_parallel(self) -> Any:
        return self.gpus / (self.tensor_parallel * self.pipeline_parallel * self.context_parallel)

    def at(self, index: Any) -> Layout:
        """The division, or divisions, at that position of the arrays."""
        return Layout(
            **{field.name: np.asarray(getattr(self, field.name))[index] for field in fields(Layout)}
        )

    def replace(self, **columns: Any) -> Layout:
        return Layout(**{**{field.name: getattr(self, field.name) for field in fields(Layout)}, **columns})

    def describe(self, global_batch_tokens: float, sequence_length: float) -> dict[str, int | float | str]:
        """One division in the words of a plan."""
        per_step = self.data_parallel * self.micro_batch_size * sequence_length
        return {
            "data_parallel": int(self.data_parallel),
            "tensor_parallel": int(self.tensor_parallel),
            "pipeline_parallel": int(self.pipeline_parallel),
            "virtual_pipeline": int(self.virtual_pipeline),
            "context_parallel": int(self.context_parallel),
            "expert_parallel": int(self.expert_parallel),
            "sharding": SHARDING[int(self.sharding)],
            "micro_batch_size": int(self.micro_batch_size),
            "gradient_accumulation_steps": max(1, round(float(global_batch_tokens / per_step))),
            "activation_recomputation": RECOMPUTATION[math.ceil(float(self.recomputation) - 1e-9)],
            "recomputed_layers_share": round(max(float(self.recomputation) - 1.0, 0.0), 3),
        }


def _powers(limit: int) -> tuple[int, ...]:
    return tuple(1 << k for k in range(limit.bit_length()) if 1 << k <= limit)


def states_division(hardware: Hardware) -> bool:
    """Whether a plan fixes any part of how the job is divided."""
    return any(getattr(hardware, name) is not None for name in (*DEGREES, "expert_parallel", "sharding"))


def stated_degrees(hardware: Hardware) -> dict[str, int]:
    """The degrees that a plan leaves out although it states its division: those are 1.

    Experts are left open, as they are spread without being mentioned.
    """
    if not states_division(hardware):
        return {}
    return {name: 1 for name in DEGREES if getattr(hardware, name) is None}


def _is_usual(tensor: int, pipeline: int, context: int, sharding: int, level: int, automatic: bool) -> bool:
    """Whether a division is worth trying where the plan leaves all of it open.

    Sharded weights would be gathered for every micro-batch of a pipeline, and a large micro-batch with
    recomputation pays only where weights are gathered.
    """
    if pipeline > 1:
        return sharding < 3 and context == 1 and tensor != 2 and (level == 1 or not automatic)
    return level == 1 or not automatic or (sharding == 3 and tensor == 1)


class Tried(NamedTuple):
    """What is tried of each part of a division, and what decides which combinations are usual."""

    tensor: tuple[int, ...]
    pipeline: tuple[tuple[int, int], ...]
    """Stages, and virtual stages per GPU."""
    context: tuple[int, ...]
    expert: tuple[int, ...]
    sharding: tuple[int, ...]
    levels: tuple[int, ...]
    is_open: bool
    """The plan leaves all of the division open."""
    is_automatic: bool
    """Recomputation is chosen."""


def tried(plan: TrainingPlan, architecture: Architecture, sequence_length: float) -> Tried:
    """What is worth trying for a plan; equal for plans with the same divisions."""
    hw, given = plan.hardware, stated_degrees(plan.hardware)
    layers, experts = architecture.layers, architecture.experts
    tensor = hw.tensor_parallel or given.get("tensor_parallel")
    pipeline = hw.pipeline_parallel or given.get("pipeline_parallel")
    context = hw.context_parallel or given.get("context_parallel")
    # long sequences may be split over GPUs; shorter ones gain nothing
    contexts = (1, 2, 4, 8) if sequence_length >= LONG_SEQUENCE else (1,)
    spread = tuple(e for e in (1, 8, 64) if experts % e == 0) if experts > 1 else (1,)
    automatic = plan.activation_recomputation == "auto"
    is_open = not states_division(hw)
    stages = (pipeline,) if pipeline else tuple(p for p in _powers(16) if p <= layers)
    return Tried(
        tensor=(tensor,) if tensor else _powers(8),
        pipeline=tuple((p, hw.virtual_pipeline or _interleaved(layers, p, is_open)) for p in stages),
        context=(context,) if context else contexts,
        expert=(hw.expert_parallel,) if hw.expert_parallel else spread,
        sharding=(SHARDING.index(hw.sharding),) if hw.sharding else (1, 3),
        levels=(1, 2) if automatic else (RECOMPUTATION.index(plan.activation_recomputation),),
        is_open=is_open,
        is_automatic=automatic,
    )


def _interleaved(layers: int, pipeline: int, is_open: bool) -> int:
    """Virtual stages per GPU: the most up to four that the layers divide into, where the plan leaves all open."""
    if not is_open or pipeline == 1:
        return 1
    return next(v for v in (4, 3, 2, 1) if v == 1 or layers % (v * pipeline) == 0)


@lru_cache(maxsize=256)
def divisions(of: Tried) -> Layout:
    """The divisions worth trying, as columns, on one GPU; a count of GPUs is put in by who uses them."""
    rows = [
        (t, p, v, c, e, z, r)
        for t, (p, v), c, e, z, r in product(
            of.tensor, of.pipeline, of.context, of.expert, of.sharding, of.levels
        )
        if not of.is_open or _is_usual(t, p, c, z, r, of.is_automatic)
    ]
    columns = np.array(rows or [(1, 1, 1, 1, 1, 1, 1)], float).T
    ones = np.ones(columns.shape[1])
    return Layout(
        gpus=ones,
        tensor_parallel=columns[0],
        pipeline_parallel=columns[1],
        virtual_pipeline=columns[2],
        context_parallel=columns[3],
        expert_parallel=columns[4],
        sharding=columns[5],
        recomputation=columns[6],
        micro_batch_size=ones,
        gpus_per_node=ones,
    )


def is_possible(at: Layout, tensor_parallel_is_fixed: Any) -> Any:
    """Which divisions exist on that many GPUs: whole groups, and tensor parallelism inside a node unless
    fixed.
    """
    model = at.tensor_parallel * at.pipeline_parallel * at.context_parallel
    whole = (np.mod(at.gpus, model) == 0) & (np.mod(at.gpus / at.pipeline_parallel, at.expert_parallel) == 0)
    return whole & ((at.tensor_parallel <= at.gpus_per_node) | tensor_parallel_is_fixed)

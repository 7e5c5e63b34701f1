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
from gpuledger.core.estimate.stack import ONLINE, Stack, is_checkpointed, is_small, stack_of
from gpuledger.core.plan import Hardware, TrainingPlan

RECOMPUTATION = ("none", "selective", "full")
DEGREES = ("tensor_parallel", "pipeline_parallel", "context_parallel")
LONG_SEQUENCE = 8192
# places for layers over the layers, where stages are uneven
MOST_PLACES = 1.05
# published runs with widely spread experts split them over two by tensor parallelism at most
MOST_EXPERT_GPUS = 128
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


def stated_degrees(hardware: Hardware) -> dict[str, int]:
    """The degrees that a plan leaves out although it states others: those are 1.

    How states are sharded says nothing of the degrees, and experts are spread without being mentioned.
    """
    if all(getattr(hardware, name) is None for name in DEGREES):
        return {}
    return {name: 1 for name in DEGREES if getattr(hardware, name) is None}


def _is_usual(
    options: Tried, tensor: int, pipeline: int, context: int, expert: int, sharding: int, level: int
) -> bool:
    """Whether a division is worth trying where the plan leaves all of it open.

    Sharded weights would be gathered for every micro-batch of a pipeline, and a large micro-batch with
    recomputation pays only where weights are gathered. Experts are spread instead of the weights being gathered, and
    widely spread ones are not split by tensor parallelism as well.
    """
    if expert > 1 and (sharding == 3 or tensor * expert > MOST_EXPERT_GPUS):
        return False
    if sharding == 3 and tensor == 2:
        return False
    if pipeline > 1:
        # a dense network is first split inside the node, by tensor parallelism (arXiv:2104.04473, section 5.4.1)
        inside = tensor >= 4 or (tensor == 1 and len(options.expert) > 1)
        return sharding < 3 and context == 1 and inside and (level == 1 or not options.is_automatic)
    return level == 1 or not options.is_automatic or (sharding == 3 and tensor == 1)


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
    pipelines_nodes: bool
    """Stages are tried across nodes only: inside one nobody without tuned software cuts a network into stages."""
    crosses_bus: bool
    """Tensor parallelism is tried over a bus too, where one card may read another: with tuned software alone."""


def tried(plan: TrainingPlan, architecture: Architecture, sequence_length: float) -> Tried:
    """What is worth trying for a plan; equal for plans with the same divisions.

    What the plan's software does not divide is tried only where the plan states it.
    """
    hw, degrees = plan.hardware, stated_degrees(plan.hardware)
    software, experts = stack_of(plan), architecture.experts
    divides_all = software.divides == "all"
    tensor = hw.tensor_parallel or degrees.get("tensor_parallel")
    pipeline = hw.pipeline_parallel or degrees.get("pipeline_parallel")
    context = hw.context_parallel or degrees.get("context_parallel")
    # long sequences may be split over GPUs; shorter ones gain nothing
    contexts = (1, 2, 4, 8) if sequence_length >= LONG_SEQUENCE else (1,)
    spread = tuple(e for e in (1, 8, 64) if experts % e == 0) if experts > 1 and divides_all else (1,)
    automatic = plan.activation_recomputation == "auto"
    full = automatic and is_checkpointed(plan)
    levels = (2,) if full else (1, 2) if automatic else (RECOMPUTATION.index(plan.activation_recomputation),)
    is_open = all(getattr(hw, name) is None for name in (*DEGREES, "expert_parallel"))
    # recipes shard a network that is trained whole: ZeRO-3 in LLaMA-Factory's and TRL's examples, FULL_SHARD in
    # Accelerate's and torchtune's
    is_sharded = full and not plan.has_adapters and not is_small(plan)
    shards = (3,) if software.shards or is_sharded else (1, 3)
    # of a step that also generates, the trained part is not cut into stages
    most = 16 if divides_all and plan.method not in ONLINE else 1
    stages = (pipeline,) if pipeline else tuple(p for p in _powers(most) if p <= architecture.layers)
    return Tried(
        tensor=(tensor,) if tensor else _powers(8 if divides_all else 1),
        pipeline=tuple(
            (p, v) for p in stages for v in _virtual(plan, software, architecture.layers, p, is_open)
        ),
        context=(context,) if context else contexts,
        expert=(hw.expert_parallel,) if hw.expert_parallel else spread,
        sharding=(SHARDING.index(hw.sharding),) if hw.sharding else shards,
        levels=levels,
        is_open=is_open,
        is_automatic=automatic and not full,
        pipelines_nodes=is_open and not software.tuned_share,
        crosses_bus=software.tuned_share >= 1.0,
    )


def _virtual(
    plan: TrainingPlan, software: Stack, layers: int, pipeline: int, is_open: bool
) -> tuple[int, ...]:
    """Virtual stages per GPU: as stated; where all is open the most up to four that the layers divide into; where a
    division is stated all up to eight that leave few places of a layer empty, as embedding and head may stand for a
    layer each (Llama 3, arXiv:2407.21783, section 3.3.2).
    """
    stated = plan.hardware.virtual_pipeline
    if stated or pipeline == 1 or not software.interleaves or not software.tuned_share:
        return (stated or 1,)
    places = {v: v * pipeline * math.ceil(layers / (v * pipeline)) for v in range(2, 9)}
    usual = [v for v, count in places.items() if count <= layers * MOST_PLACES]
    return (max((v for v in usual if v <= 4), default=1),) if is_open else (1, *usual)


@lru_cache(maxsize=256)
def divisions(options: Tried) -> Layout:
    """The divisions worth trying, as columns, on one GPU; a count of GPUs is put in by who uses them."""
    rows = [
        (t, p, v, c, e, z, r)
        for t, (p, v), c, e, z, r in product(
            options.tensor,
            options.pipeline,
            options.context,
            options.expert,
            options.sharding,
            options.levels,
        )
        if not options.is_open or _is_usual(options, t, p, c, e, z, r)
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


def split_over(joined_gpus: Any, has_peer_access: Any, crosses_bus: Any) -> Any:
    """GPUs over which tensor parallelism is tried at most: it moves all activations four times a layer, which links of
    their own carry, and a bus hardly (Megatron-LM, arXiv:2104.04473, section 5.4.1).
    """
    crosses = np.asarray(crosses_bus, bool) & (np.asarray(has_peer_access) > 0)
    return np.where(crosses, math.inf, joined_gpus)


def is_possible(
    layout: Layout, tensor_parallel_is_fixed: Any, pipelines_nodes: Any, most_tensor_parallel: Any
) -> Any:
    """Which divisions exist on that many GPUs: whole groups, tensor parallelism inside a node and over as many GPUs as
    `split_over` says unless fixed, and pipelines across nodes where only those are wanted.
    """
    model = layout.tensor_parallel * layout.pipeline_parallel * layout.context_parallel
    stage_gpus = layout.gpus / layout.pipeline_parallel
    whole = (np.mod(layout.gpus, model) == 0) & (np.mod(stage_gpus, layout.expert_parallel) == 0)
    one_stage = layout.pipeline_parallel <= 1
    whole = whole & (one_stage | (layout.gpus > layout.gpus_per_node) | ~np.asarray(pipelines_nodes))
    most = np.minimum(layout.gpus_per_node, most_tensor_parallel)
    return whole & ((layout.tensor_parallel <= most) | tensor_parallel_is_fixed)

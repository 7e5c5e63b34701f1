"""Memory of one GPU, by component. All functions are arithmetic that broadcasts over plans and layouts.

States follow ZeRO (arXiv:1910.02054, section 5); `gpuledger.core.estimate.activation` holds the activations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpuledger.core.estimate.activation import GIB, activation_gib
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.rollout import engine_gpus
from gpuledger.core.estimate.workload import Demand, Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum

# DeepSpeed: stage3_max_live_parameters and sub_group_size, both 1e9 by default (configuration reference, ZeRO)
DEEPSPEED_LIVE_PARAMETERS = 1e9
FULL = 1.0 + 1e-9
# a rollout engine takes for its cache what is left, and lets sequences wait; it needs room for some at once
ROLLOUT_SEQUENCES = 8.0


@dataclass(frozen=True, kw_only=True)
class Memory:
    """GiB per GPU, floats or arrays. `activations` are those of `micro_batch_size` sequences."""

    weights: Any
    gradients: Any
    optimizer: Any
    activations: Any
    beside: Any
    """Networks beside the trained one."""
    rollout: Any
    """Of the rollout engine, what activations do not leave free for it; both take turns."""
    overhead: Any
    generation: Any
    """Of the rollout engine in all; not part of the total."""
    loading: Any
    """While the network is loaded and sharded; not part of the total."""

    @property
    def total(self) -> Any:
        states = self.weights + self.gradients + self.optimizer
        return states + self.activations + self.beside + self.rollout + self.overhead


def parameters_per_gpu(w: Workload, layout: Layout) -> tuple[Any, Any]:
    """Dense and routed parameters that one GPU of the first stage would hold without data-parallel
    sharding.
    """
    dense_body = maximum(w.parameters - w.routed_parameters - w.embedding_parameters, 0.0)
    # both embeddings sit on different stages once there are two of them
    embedding = w.embedding_parameters / where(layout.pipeline_parallel > 1, 2.0, 1.0)
    dense = (dense_body / layout.pipeline_parallel + embedding) / layout.tensor_parallel
    # experts are split by tensor parallelism too where enough GPUs are left for it
    experts = layout.expert_parallel * layout.tensor_parallel
    experts = where(experts * layout.pipeline_parallel <= layout.gpus, experts, layout.expert_parallel)
    routed = w.routed_parameters / (layout.pipeline_parallel * experts)
    return dense, routed


@dataclass(frozen=True, kw_only=True)
class _Share:
    """Parameters that one GPU holds of each state."""

    held: Any
    """Without data-parallel sharding."""
    sharded: Any
    trained: Any
    """Of all parameters."""
    group: Any
    """GPUs that share one copy of a dense state."""


def _share(w: Workload, layout: Layout) -> _Share:
    dense, routed = parameters_per_gpu(w, layout)
    group = minimum(layout.data_parallel * layout.context_parallel, w.sharding_gpus)
    routed_group = maximum(layout.gpus * routed / maximum(w.routed_parameters, 1.0), 1.0)
    routed_group = minimum(routed_group, w.sharding_gpus)
    return _Share(
        held=dense + routed,
        sharded=dense / group + routed / routed_group,
        trained=w.trained_parameters / w.parameters,
        group=group,
    )


def states(w: Workload, layout: Layout, k: Constants) -> Memory:
    """Everything that does not depend on the micro-batch or on recomputation; activations are 0."""
    share = _share(w, layout)
    alone = layout.gpus <= 1
    weights = where(layout.sharding >= 3, share.sharded, share.held)
    weights = weights * w.weight_bytes * (1.0 - w.offloads_parameters)
    casts = where(layout.sharding >= 3, 0.0, share.held) * w.cast_bytes
    gradient_bytes = where(alone, w.lone_gradient_bytes, w.gradient_bytes)
    # DeepSpeed computes gradients in 16 bits and accumulates beside that, unless they are scattered at once
    copied = (w.gradient_bytes > 2.0) & (layout.sharding < 2) & (w.keeps_copies > 0)
    gradient_bytes = gradient_bytes + where(copied, k.gradient_copy_bytes, 0.0)
    gradients = where(layout.sharding >= 2, share.sharded, share.held) * share.trained * gradient_bytes
    # ... and nothing is kept that goes to the host, or into the optimizer's step, as soon as it is there
    leave = (w.is_offloaded > 0) & ((layout.sharding >= 2) | alone) | (w.offloads_parameters > 0)
    leave = leave | (w.frees_gradients > 0)
    gradients = where(leave, minimum(gradients, 2.0 * _layer_gradients(w, share)), gradients)
    # offloaded states live in the host's memory (ZeRO-Offload, arXiv:2101.06840, section 4.1)
    on_gpu = 1.0 - maximum(w.is_offloaded, w.offloads_parameters)
    optimizer = where(layout.sharding >= 1, share.sharded, share.held) * share.trained
    each = w.optimizer_bytes - where(layout.sharding >= 3, w.saved_when_sharded, 0.0)
    optimizer = optimizer * where(alone, w.lone_optimizer_bytes, each) * on_gpu
    buffers = gathered_bytes(w, layout, share, k) + copy_bytes(w, layout, share, k) * on_gpu
    return Memory(
        weights=(weights + casts) / GIB,
        gradients=gradients / GIB,
        optimizer=optimizer / GIB,
        activations=0.0,
        beside=beside_gib(w, layout, share, on_gpu) if np.any(w.frozen_beside + w.trained_beside) else 0.0,
        rollout=0.0,
        overhead=buffers_gib(w, layout, k) + buffers / GIB,
        generation=generation_gib(w, layout) if np.any(w.engine_bytes) else 0.0,
        loading=loading_gib(w, layout, share, k) if np.any(w.loads_whole) else 0.0,
    )


def loading_gib(w: Workload, layout: Layout, share: _Share, k: Constants) -> Any:
    """The whole network beside the share of it that stays, where software shards what every process has loaded."""
    shards = (w.loads_whole > 0) & (layout.sharding >= 3) & (share.group > 1)
    held = (share.held + share.sharded) * w.weight_bytes * k.allocator_slack / GIB
    return where(shards, held + buffers_gib(w, layout, k), 0.0)


def _layer_gradients(w: Workload, share: _Share) -> Any:
    """16-bit gradients of one layer."""
    return 2.0 * share.held / w.layers * share.trained


def gathered_bytes(w: Workload, layout: Layout, share: _Share, k: Constants) -> Any:
    """Weights that are gathered while they are sharded or away, and gradients before they are scattered.

    Two layers at a time, as one is fetched ahead (ZeRO, section 7.2.2; PyTorch FSDP, arXiv:2304.11277, section 3.3.2),
    with the output matrix, whose gradient is made beside the logits; DeepSpeed keeps up to a fixed count.
    """
    gathers = (layout.sharding >= 3) & (share.group > 1) | (w.offloads_parameters > 0)
    layer, head = share.held / w.layers, w.vocabulary_size * w.hidden_size / layout.tensor_parallel
    is_whole = share.trained > 0.5
    units = 2.0 * layer * minimum(w.weight_bytes, 2.0 * (1.0 + w.is_wide)) + 2.0 * head
    units = units + where(is_whole, 4.0 * layer + 2.0 * head, 0.0)
    units = where(w.keeps_copies > 0, 2.0 * minimum(share.held, DEEPSPEED_LIVE_PARAMETERS), units)
    return where(gathers, units, 0.0) * k.allocator_slack


def copy_bytes(w: Workload, layout: Layout, share: _Share, k: Constants) -> Any:
    """Copies on which DeepSpeed's optimizers step: gradients flattened in 16 and in 32 bits, with ZeRO-3 of one group
    of parameters at a time.
    """
    shards = (layout.sharding >= 1) & (layout.gpus > 1)
    stepped = where(shards, share.sharded, share.held * w.copies_whole) * share.trained
    stepped = where(layout.sharding >= 3, minimum(stepped, DEEPSPEED_LIVE_PARAMETERS), stepped)
    return where(w.keeps_copies > 0, stepped * k.copy_bytes, 0.0)


def buffers_gib(w: Workload, layout: Layout, k: Constants) -> Any:
    """The framework, and the channels of each kind of communicator."""
    groups = (layout.data_parallel > 1) * 1.0 + (layout.tensor_parallel > 1) + (layout.context_parallel > 1)
    pipeline = where(w.keeps_copies > 0, k.pipeline_engine_gib, k.pipeline_gib)
    return k.framework_gib + groups * k.communicator_gib + (layout.pipeline_parallel > 1) * pipeline


def beside_gib(w: Workload, layout: Layout, share: _Share, on_gpu: Any) -> Any:
    """Reference, reward, teacher and critic, divided and sharded as the trained network is."""
    split = layout.tensor_parallel * layout.pipeline_parallel
    weights, gradients, optimizer = (
        1.0 / (split * where(layout.sharding >= stage, share.group, 1.0)) for stage in (3, 2, 1)
    )
    held = 2.0 * (1.0 + w.is_wide) * (w.frozen_beside + w.trained_beside) * weights
    held = held * (1.0 - w.offloads_parameters)
    trained = w.gradient_bytes * gradients + w.optimizer_bytes * optimizer * on_gpu
    return (held + w.trained_beside * trained) / GIB


def generation_gib(w: Workload, layout: Layout) -> Any:
    """A rollout engine on the same GPUs: 16-bit weights of one of its replicas, and keys and values of the sequences
    that the replica decodes.
    """
    engine = minimum(engine_gpus(w), layout.gpus)
    sequences = w.steps_per_rollout * w.global_batch_tokens / w.sequence_length * engine / layout.gpus
    cached = minimum(maximum(sequences, 1.0), ROLLOUT_SEQUENCES) * w.sequence_length * w.cache_bytes_per_token
    return (w.engine_bytes + cached) / engine / GIB


def memory(w: Workload, layout: Layout, k: Constants) -> Memory:
    """Memory of the fullest GPU."""
    return with_activations(states(w, layout, k), activation_gib(w, layout, k), k)


def with_activations(fixed: Memory, activations: Any, k: Constants) -> Memory:
    """States and activations together, with the allocator's slack on the latter.

    Rollouts are written before activations are there, so the larger of both counts.
    """
    slack = (k.allocator_slack - 1.0) * activations
    used = replace(
        fixed,
        activations=activations,
        rollout=maximum(fixed.generation - activations - slack, 0.0),
        overhead=fixed.overhead + slack,
    )
    if not np.any(fixed.loading):
        return used
    # loading is over before the first pass
    return replace(used, overhead=maximum(used.overhead, fixed.loading - (used.total - used.overhead)))


def total_gib(fixed: Any, generation: Any, loading: Any, activations: Any, k: Constants) -> Any:
    """The total of `with_activations`, without its parts.

    Args:
        fixed: the total of states.
    """
    held = k.allocator_slack * activations
    total = fixed + held
    if np.any(generation):
        total = total + maximum(generation - held, 0.0)
    return maximum(total, loading) if np.any(loading) else total


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
        if name not in ("generation", "loading")
    }
    total = sum(parts.values())
    smallest = min(least(need, layout, k), total)
    spread = math.exp(memory_half_width(need, k))
    # recomputation is chosen so that memory ends at the limit, and rounding may put it a hair beyond
    high = min(total * spread, max(limit_gib, total)) if total <= limit_gib * FULL else total * spread
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

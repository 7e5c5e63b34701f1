"""Time of one optimizer step, by cause. All functions are arithmetic that broadcasts over plans and
layouts.

Compute at an efficiency that grows with the size of the matrices, memory-bound work beside it, the
pipeline's bubble (arXiv:2104.04473, section 2.2), and the traffic of each kind of parallelism that compute
does not hide.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.memory import parameters_per_gpu
from gpuledger.core.estimate.offload import offload_seconds
from gpuledger.core.estimate.rollout import generation_seconds
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum
clip: Any = np.clip
log2: Any = np.log2
sqrt: Any = np.sqrt

# Megatron-LM: two all-reduces forward, two backward per layer (arXiv:1909.08053, section 3)
TENSOR_COLLECTIVES = 4.0
# the streams of two norms and two residual sums are not split by tensor parallelism alone, but are with sequence
# parallelism (Korthikanti et al., arXiv:2205.05198, section 4.2.2)
UNSPLIT_STREAMS = 4.0
# a gather forward, a gather and a reduce-scatter backward (ZeRO stage 3, arXiv:1910.02054, section 7.2)
SHARDED_COLLECTIVES = 3.0


@dataclass(frozen=True, kw_only=True)
class Device:
    """Rates of one GPU in SI units, floats or arrays. Bandwidths are one direction."""

    gemm_flops_per_second: Any
    """Of the plan's precision, dense, as on the data sheet."""
    half_flops_per_second: Any
    """Of the 16-bit precision, in which attention is computed whatever the matrices use."""
    gemm_ceiling: Any
    """Share of the data sheet's rate that was measured on large matrices in that precision."""
    memory_bytes_per_second: Any
    interconnect_bytes_per_second: Any
    network_bytes_per_second: Any
    host_bytes_per_second: Any
    fabric_gpus: Any
    """Accelerators that the interconnect joins, if more than a node."""
    needs_recipes: Any
    """1 where only the vendor's recipes reach the ceiling in general, as on a young generation."""
    is_quantised: Any
    """1 where matrices are multiplied in fewer than 16 bits and must be cast first."""


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one optimizer step by cause."""

    gemm: Any
    attention: Any
    elementwise: Any
    launches: Any
    tensor_parallel: Any
    context_parallel: Any
    expert_parallel: Any
    pipeline_parallel: Any
    generation: Any
    bubble: Any
    data_parallel: Any
    optimizer: Any
    straggler: Any
    unstated: Any
    """What people lose whose plan says neither division nor stack: they run less than the best one."""
    fixed: Any
    hardware_flops: Any
    """Per GPU and step, recomputation included."""

    @property
    def total(self) -> Any:
        parts = (getattr(self, field.name) for field in fields(self) if field.name != "hardware_flops")
        return sum(parts)


def group_bandwidth(size: Any, stride: Any, layout: Layout, device: Device, k: Constants) -> Any:
    """Bytes per second that one GPU moves in a collective of `size` GPUs, `stride` apart.

    Inside a node the interconnect carries it. Across nodes the network does: of a group with several
    members in a node each sends once into the network what a ring through all of them moves.
    """
    inside = device.interconnect_bytes_per_second * k.collective_efficiency
    outside = device.network_bytes_per_second * k.network_efficiency
    node = maximum(layout.gpus_per_node, device.fabric_gpus)
    members = clip(node / stride, 1.0, size)
    across = minimum(outside * members, inside)
    return where(size * stride <= node, inside, across)


def ring_latency(size: Any, stride: Any, layout: Layout, device: Device, k: Constants) -> Any:
    """Seconds that a ring through `size` GPUs, `stride` apart, waits for its hops: one per GPU inside a node, and the
    slower one of the network once per node.
    """
    node = maximum(layout.gpus_per_node, device.fabric_gpus)
    nodes = where(size * stride <= node, 0.0, size * stride / node)
    return (size - nodes) * k.hop_seconds + nodes * k.network_hop_seconds


def routed_seconds(e: Any, t: Any, layout: Layout, device: Device, k: Constants) -> Any:
    """Seconds per byte that one GPU sends to the other members of its expert group (arXiv:2412.19437, 3.2)."""
    inside = device.interconnect_bytes_per_second * k.collective_efficiency
    outside = device.network_bytes_per_second * k.network_efficiency
    node = maximum(layout.gpus_per_node, device.fabric_gpus)
    n = clip(node / t, 1.0, e)
    others = maximum(e - 1.0, 1.0)
    return (n - 1.0) / others / inside + (e - n) / others / outside


def elementwise_bytes_per_token(w: Workload, layout: Layout, device: Device, k: Constants) -> Any:
    """Memory traffic of one layer beside its matrix multiplies, before it is divided by tensor parallelism.

    Per element of the widths that a token passes through: four streams of the hidden size (two norms, two
    residual sums), queries, keys, values and their sum, and the feed-forward.
    """
    t, full = layout.tensor_parallel, maximum(layout.recomputation - 1.0, 0.0)
    kernels = where(w.is_tuned > 0, k.fused_share, where(w.is_eager > 0, k.eager_factor, 1.0))
    widths = w.hidden_size * UNSPLIT_STREAMS + w.attention_width + w.ffn_active_size * w.ffn_matrices
    unsplit = where(w.is_tuned > 0, 0.0, UNSPLIT_STREAMS) * w.hidden_size * (t - 1.0)
    out = k.elementwise_bytes * kernels * (widths + unsplit) * (1.0 + full / 3.0)
    # copies of every token for its experts, there and back
    routed = where(w.experts > 1, w.experts_per_token * w.hidden_size, 0.0)
    out = out + k.routing_bytes * routed + device.is_quantised * k.cast_bytes * (widths + 2.0 * routed)
    # adapters are small operations of their own; half of what they read or write is not split
    out = out + k.elementwise_bytes * w.adapted_width * (1.0 + t) / 2.0
    logits = where(w.is_tuned > 0, k.fused_logit_traffic_bytes, k.logit_traffic_bytes)
    return out + logits * w.vocabulary_size / w.layers


def data_parallel_seconds(
    w: Workload, layout: Layout, device: Device, k: Constants, *, held: Any, micro_batches: Any, hiding: Any
) -> Any:
    """Exposed traffic of gradients and weights in one step.

    States are reduced and gathered within the GPUs that share one copy, with ZeRO-3 for every micro-batch, and
    summed over the copies once (MiCS, arXiv:2205.00119, section 3.4).

    Args:
        held: parameters of one GPU, unsharded.
        hiding: seconds of work of one micro-batch.
    """
    t, layers = layout.tensor_parallel, w.layers / layout.pipeline_parallel
    trained = w.trained_parameters / w.parameters
    group = layout.data_parallel * layout.context_parallel
    shared = minimum(w.sharding_gpus, group)
    copies = group / shared
    inside = group_bandwidth(shared, t, layout, device, k)
    between = group_bandwidth(copies, t * shared, layout, device, k)
    # tuned stacks reduce gradients in 16 bits whatever they accumulate in
    reduced = (
        where((w.is_tuned > 0) & (w.overlaps_traffic > 0), minimum(w.gradient_bytes, 2.0), w.gradient_bytes)
        * trained
    )
    hiding = hiding * (w.overlaps_traffic > 0)
    gathered = where(layout.sharding >= 1, w.weight_bytes * trained, reduced)
    summed = 2.0 * reduced * held / shared * (copies - 1.0) / copies / between
    ring = held * (shared - 1.0) / shared / inside
    sharded = layout.sharding >= 3
    latency = layers * where(
        group * t > layout.gpus_per_node, ring_latency(shared, t, layout, device, k), 0.0
    )
    each = (2.0 * w.weight_bytes + reduced) * ring + SHARDED_COLLECTIVES * latency
    each = where(sharded, micro_batches * _shown(each, hiding, k), 0.0)
    last = _shown(where(sharded, 0.0, (reduced + gathered) * ring) + summed, hiding, k)
    last = last + where(sharded, 0.0, 2.0 * trained * latency)
    in_turn = (w.broadcasts_shares > 0) & (layout.sharding == 1) & (latency > 0)
    return each + last + where(in_turn, shared * k.share_broadcast_seconds, 0.0)


def _shown(moved: Any, hiding: Any, k: Constants) -> Any:
    """Work hides traffic, but a share of it always shows: the first gather, the last bucket, contention."""
    return maximum(moved - hiding, (1.0 - k.overlap) * moved)


def step_time(w: Workload, layout: Layout, device: Device, k: Constants) -> StepTime:
    """Seconds of one step of `global_batch_tokens`."""
    t, p, c, e = (
        layout.tensor_parallel,
        layout.pipeline_parallel,
        layout.context_parallel,
        layout.expert_parallel,
    )
    dp = layout.data_parallel
    tokens = layout.micro_batch_size * w.sequence_length / c
    micro_batches = maximum(w.global_batch_tokens / (dp * layout.micro_batch_size * w.sequence_length), 1.0)
    per_step = tokens * micro_batches
    # share of the layers recomputed whole; the rest recomputes attention only
    full = maximum(layout.recomputation - 1.0, 0.0)
    selective = clip(layout.recomputation, 0.0, 1.0) - full
    stage_layers = w.layers / p

    # matrix multiplies
    once = (w.body_flops + w.head_flops) * (1.0 + w.gemm_backward) + w.other_forward_flops
    gemm_flops = (once + w.body_flops * full) / (t * p)
    # a repeated forward pass is the quicker part of a step, operation for operation
    gemm_cost = (once + w.body_flops * full * k.recompute_weight) / (t * p)
    moe = w.experts > 1
    # the feed-forward's matrices are wider than the stream: their mean width, that of the stream where f = 4 d
    mean_width = sqrt(w.hidden_size * w.ffn_active_size / 4.0)
    width = where(moe, minimum(w.expert_ffn_size, w.hidden_size), mean_width) / sqrt(t)
    rows = where(moe, tokens * w.experts_per_token * e / maximum(w.experts, 1.0), tokens)
    # the faster the units are against the memory, the larger a matrix must be to feed them
    balance = device.gemm_flops_per_second / device.memory_bytes_per_second / 153.0
    saturation = (1.0 + balance * k.gemm_half_width / width) * (1.0 + balance * k.gemm_half_rows / rows)
    gemm_rate = device.gemm_flops_per_second * device.gemm_ceiling * k.gemm_efficiency / saturation
    without_recipes = (device.needs_recipes > 0) & ((w.is_tuned < 1) | (w.overlaps_traffic < 1))
    gemm_rate = gemm_rate * where(without_recipes, k.without_recipes_share, 1.0)
    # experts wait for the fullest of them
    waiting = 1.0 + where(moe, k.expert_imbalance, 0.0)
    gemm = per_step * gemm_cost / gemm_rate * waiting * (1.0 - w.sparse_saving)

    # 4-bit weights become 16-bit ones in every pass over a micro-batch, so many tokens share the cost
    unpacked = maximum(w.parameters - w.embedding_parameters, 0.0) / (t * p) * k.dequantisation_bytes
    passes = micro_batches * (2.0 + full) * w.is_dequantised
    gemm = gemm + passes * unpacked / device.memory_bytes_per_second

    # attention core: matrix units for the products, and the softmax that keeps pace with the memory system
    # only, for which tuned stacks have later kernels
    repeats = full + selective * (w.flash_attention < 1)
    attention_flops = w.attention_flops * (1.0 + w.attention_backward + repeats) / (t * p)
    attention_seconds = 1.0 / (device.half_flops_per_second * k.attention_efficiency)
    softmax_bytes = k.softmax_bytes * where(w.is_tuned > 0, k.tuned_softmax_share, 1.0)
    attention_seconds = attention_seconds + softmax_bytes / device.memory_bytes_per_second
    attention = per_step * attention_flops * attention_seconds
    # without flash attention the whole square passes through memory: scores, mask, softmax, dropout
    scores = w.attention_heads * w.sequence_length * k.score_bytes * (1.0 + full / 3.0)
    scored = per_step * w.layers * scores / (t * p * device.memory_bytes_per_second)
    attention = attention + where(
        w.flash_attention < 1,
        scored + per_step * attention_flops / (device.half_flops_per_second * k.attention_efficiency),
        0.0,
    )

    # memory-bound work
    traffic = elementwise_bytes_per_token(w, layout, device, k)
    elementwise = per_step * stage_layers * traffic / (t * device.memory_bytes_per_second)
    launches = micro_batches * stage_layers * k.layer_seconds * (1.0 + full / 3.0)
    launches = launches * (1.0 + where(moe, k.expert_launches, 0.0))

    # tensor parallelism
    inside = group_bandwidth(t, 1.0, layout, device, k)
    collectives = TENSOR_COLLECTIVES + 2.0 * full
    exchanged = collectives * 2.0 * 2.0 * w.hidden_size * (t - 1.0) / t
    exposed = where((w.is_tuned > 0) & (w.overlaps_traffic > 0), k.overlapped_share, 1.0)
    tensor = per_step * stage_layers * exchanged / inside * k.tensor_exposed * exposed
    tensor = tensor + where(
        t > 1, micro_batches * stage_layers * collectives * ring_latency(t, 1.0, layout, device, k), 0.0
    )

    # context parallelism: keys and values travel once forward and twice backward
    around = group_bandwidth(c, t, layout, device, k)
    context = per_step * stage_layers * 3.0 * 2.0 * w.kv_size * (c - 1.0) / (t * around)

    # expert parallelism: dispatch and combine, forward and backward
    routed_bytes = 4.0 * w.experts_per_token * 2.0 * w.hidden_size * (e - 1.0) / e / t
    expert = (
        per_step
        * stage_layers
        * routed_bytes
        * routed_seconds(e, t, layout, device, k)
        * where(w.hides_routing > 0, (1.0 - k.overlap) * exposed, k.expert_exposed * exposed)
    )
    expert = expert + where(e > 1, micro_batches * stage_layers * 4.0 * e * k.hop_seconds, 0.0)

    # pipeline parallelism: 16-bit activations on, gradients back, over every boundary of a virtual stage
    near = t * p <= maximum(layout.gpus_per_node, device.fabric_gpus)
    link = where(
        near,
        device.interconnect_bytes_per_second * k.collective_efficiency,
        device.network_bytes_per_second * k.network_efficiency,
    )
    passed = 2.0 * 2.0 * w.hidden_size * layout.virtual_pipeline / t
    pipeline = where(p > 1, per_step * passed / link * k.pipeline_exposed, 0.0)

    # a pass is no faster than the host launches it
    host = where(
        w.is_tuned > 0,
        k.tuned_host_seconds,
        where(w.is_eager > 0, k.eager_host_seconds, k.plain_host_seconds),
    )
    host = host * (1.0 + full / 3.0) * where(t > 1, k.tensor_host_factor, 1.0)
    host = host * where(w.is_dequantised > 0, k.dequantised_host_factor, 1.0)
    host = host * where((layout.sharding >= 3) & (w.is_eager > 0), k.sharded_host_factor, 1.0)
    busy = gemm + attention + elementwise + launches + tensor + context + expert
    launches = launches + maximum(micro_batches * stage_layers * host - busy, 0.0)

    work = gemm + attention + elementwise + launches + tensor + context + expert + pipeline
    bubble = work * (p - 1.0) / (micro_batches * layout.virtual_pipeline)

    generation = 0.0 * gemm
    if np.any(w.rollout_share):
        products = per_step * w.rollout_share * (w.body_flops + w.head_flops) / (t * p * gemm_rate)
        outside = device.network_bytes_per_second * k.network_efficiency
        rollouts = generation_seconds(w, layout, device.memory_bytes_per_second, outside, k)
        generation = where(w.rollout_share > 0, maximum(rollouts - products, 0.0), 0.0)

    held = sum(parameters_per_gpu(w, layout))
    hiding = (gemm + attention + elementwise + launches) / micro_batches
    data = data_parallel_seconds(w, layout, device, k, held=held, micro_batches=micro_batches, hiding=hiding)

    trained = w.trained_parameters / w.parameters
    state = held * trained * (w.optimizer_bytes + w.gradient_bytes + 2.0) * 2.0
    share = where(layout.sharding >= 1, minimum(dp * c, w.sharding_gpus), 1.0)
    optimizer = state / share / device.memory_bytes_per_second
    # gradients go to the host, weights come back, and its memory is read and written in between
    away = maximum(w.is_offloaded, w.offloads_parameters)
    optimizer = optimizer + away * state / share / device.host_bytes_per_second
    fetched = offload_seconds(w, layout, device.host_bytes_per_second, k, held=held, hiding=hiding)
    optimizer = optimizer + micro_batches * fetched
    nodes = maximum(layout.gpus / layout.gpus_per_node, 1.0)
    straggler = (work + generation + bubble + data) * k.straggler_share * log2(nodes)
    return StepTime(
        gemm=gemm,
        attention=attention,
        elementwise=elementwise,
        launches=launches,
        tensor_parallel=tensor,
        context_parallel=context,
        expert_parallel=expert,
        pipeline_parallel=pipeline,
        generation=generation,
        bubble=bubble,
        data_parallel=data,
        optimizer=optimizer,
        straggler=straggler,
        unstated=w.loses_by_choice * k.unstated_loss * (work + generation + bubble + data),
        fixed=k.step_seconds + 0.0 * straggler,
        hardware_flops=per_step * (gemm_flops + attention_flops),
    )

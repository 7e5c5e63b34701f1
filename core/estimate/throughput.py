"""Time of one optimizer step, by cause. All functions are arithmetic that broadcasts over plans and
layouts.

Compute at an efficiency that grows with the size of the matrices, memory-bound work beside it, the
pipeline's bubble (arXiv:2104.04473, section 2.2), and the traffic of each kind of parallelism that compute
does not hide.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.memory import parameters_per_gpu
from gpuledger.core.estimate.offload import offload_seconds
from gpuledger.core.estimate.rollout import generation_seconds
from gpuledger.core.estimate.traffic import (
    BROADCAST,
    Device,
    Levels,
    data_parallel_seconds,
    lifted,
    links_of,
    overlapped,
    tensor_parallel_seconds,
)
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum
clip: Any = np.clip
log2: Any = np.log2
sqrt: Any = np.sqrt

# the streams of two norms and two residual sums are not split by tensor parallelism alone, but are with sequence
# parallelism (Korthikanti et al., arXiv:2205.05198, section 4.2.2)
UNSPLIT_STREAMS = 4.0
# an activation and a product by themselves move 26 bytes an element in both passes, in one kernel 16
EAGER_GATE_FACTOR = 26.0 / 16.0


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

    @cached_property
    def total(self) -> Any:
        parts = (getattr(self, field.name) for field in fields(self) if field.name != "hardware_flops")
        return sum(parts)


def routing_left(w: Workload, device: Device, k: Constants) -> Any:
    """Share of launches, copies and shown traffic of experts that graphs and fused kernels leave, which the vendor's
    releases have for its youngest generation: the same jobs on Hopper gain nothing.
    """
    fused = w.fused_routing * (device.needs_recipes > 0)
    return 1.0 - fused * (1.0 - k.fused_routing_share)


class ElementBytes(NamedTuple):
    """Memory traffic of one layer beside its matrix multiplies, per token, undivided by tensor parallelism."""

    common: Any
    routed: Any
    """Copies of tokens for their experts, of which fused kernels leave a share."""
    cast: Any
    """Where matrices are multiplied in fewer than 16 bits."""


def element_bytes(w: Workload, layout: Layout, k: Constants) -> ElementBytes:
    """Per element of the widths that a token passes through: four streams of the hidden size (two norms, two
    residual sums), queries, keys, values and their sum, and the feed-forward.
    """
    t, full = layout.tensor_parallel, maximum(layout.recomputation - 1.0, 0.0)
    fused = 1.0 + w.is_tuned * (k.fused_share - 1.0)
    streams = w.hidden_size * UNSPLIT_STREAMS + w.attention_width
    gates = w.ffn_active_size * w.ffn_matrices
    widths = streams + gates
    unsplit = (1.0 - w.is_tuned) * UNSPLIT_STREAMS * w.hidden_size * (t - 1.0)
    moved = (streams + unsplit) * where(w.is_eager > 0, k.eager_factor, fused)
    moved = moved + gates * where(w.is_eager > 0, EAGER_GATE_FACTOR, fused)
    out = k.elementwise_bytes * moved * (1.0 + full / 3.0)
    # copies of every token for its experts, there and back; kernels that hide the traffic write where experts read
    # (arXiv:2412.19437, section 3.2.2)
    routed = where(w.experts > 1, w.experts_per_token * w.hidden_size, 0.0)
    copied = k.routing_bytes * routed * where(w.hides_routing > 0, 1.0 - k.overlap, 1.0)
    # adapters are small operations of their own; half of what they read or write is not split
    out = out + k.elementwise_bytes * w.adapted_width * (1.0 + t) / 2.0
    logits = k.logit_traffic_bytes + w.is_tuned * (k.fused_logit_traffic_bytes - k.logit_traffic_bytes)
    out = out + logits * w.vocabulary_size / w.layers
    return ElementBytes(common=out, routed=copied, cast=k.cast_bytes * (widths + 2.0 * routed))


def step_time(w: Workload, layout: Layout, device: Device, k: Constants, at: Levels = BROADCAST) -> StepTime:
    """Seconds of one step of `global_batch_tokens`.

    Args:
        at: the positions in `layout` and `device` of each time asked for; by default all broadcast.
    """
    division, accelerator = at.division, at.accelerator
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
    layer_passes = micro_batches * stage_layers
    moe = w.experts > 1
    per_byte = accelerator(1.0 / device.memory_bytes_per_second)
    links = links_of(layout, device, k, at)

    # matrix multiplies
    once = (w.body_flops + w.head_flops) * (1.0 + w.gemm_backward) + w.other_forward_flops
    gemm_flops = (once + w.body_flops * full) / (t * p)
    # a repeated forward pass is the quicker part of a step, operation for operation
    gemm_cost = (once + w.body_flops * full * k.recompute_weight) / (t * p)
    # the feed-forward's matrices are wider than the stream: their mean width, that of the stream where f = 4 d
    mean_width = sqrt(w.hidden_size * w.ffn_active_size / 4.0)
    width = where(moe, minimum(w.expert_ffn_size, w.hidden_size), mean_width) / sqrt(t)
    rows = where(moe, tokens * w.experts_per_token * e / maximum(w.experts, 1.0), tokens)
    # the faster the units are against the memory, the larger a matrix must be to feed them
    balance = accelerator(device.gemm_flops_per_second / device.memory_bytes_per_second / 153.0)
    saturation = 1.0 + balance * division(k.gemm_half_width / width)
    saturation = saturation * (1.0 + balance * division(k.gemm_half_rows / rows))
    gemm_rate = device.gemm_flops_per_second * device.gemm_ceiling * k.gemm_efficiency
    without_recipes = device.needs_recipes * (1.0 - w.is_tuned * (w.overlaps_traffic > 0))
    gemm_rate = gemm_rate * (1.0 - without_recipes * (1.0 - k.without_recipes_share))
    # experts wait for the fullest of them
    waiting = 1.0 + where(moe, k.expert_imbalance, 0.0)
    gemm = (
        division(per_step * gemm_cost * waiting * (1.0 - w.sparse_saving))
        * saturation
        * accelerator(1.0 / gemm_rate)
    )
    if np.any(w.is_dequantised):
        # 4-bit weights become 16-bit ones in every pass over a micro-batch, so many tokens share the cost
        unpacked = maximum(w.parameters - w.embedding_parameters, 0.0) / (t * p) * k.dequantisation_bytes
        gemm = gemm + division(micro_batches * (2.0 + full) * w.is_dequantised * unpacked) * per_byte

    # attention core: matrix units for the products, and the softmax that keeps pace with the memory system
    # only, for which tuned stacks have later kernels
    repeats = full + selective * (w.flash_attention < 1)
    attention_flops = w.attention_flops * (1.0 + w.attention_backward + repeats) / (t * p)
    product_seconds = 1.0 / (device.half_flops_per_second * k.attention_efficiency)
    softmax_bytes = k.softmax_bytes * (1.0 + w.is_tuned * (k.tuned_softmax_share - 1.0))
    attention_seconds = product_seconds + softmax_bytes / device.memory_bytes_per_second
    attention = division(per_step * attention_flops) * accelerator(attention_seconds)
    if np.any(w.flash_attention < 1):
        # without flash attention the whole square passes through memory: scores, mask, softmax, dropout
        scores = w.attention_heads * w.sequence_length * k.score_bytes * (1.0 + full / 3.0)
        scored = division(per_step * w.layers * scores / (t * p)) * per_byte
        scored = scored + division(per_step * attention_flops) * accelerator(product_seconds)
        attention = attention + where(w.flash_attention < 1, scored, 0.0)

    # memory-bound work
    traffic, left = element_bytes(w, layout, k), accelerator(routing_left(w, device, k))
    layer_tokens = per_step * stage_layers / t
    elementwise = division(layer_tokens * traffic.common)
    if np.any(moe):
        elementwise = elementwise + division(layer_tokens * traffic.routed) * left
    if np.any(device.is_quantised):
        elementwise = elementwise + division(layer_tokens * traffic.cast) * accelerator(device.is_quantised)
    elementwise = elementwise * per_byte
    launched = layer_passes * k.layer_seconds * (1.0 + full / 3.0)
    launches = division(launched)
    if np.any(moe):
        launches = launches + division(launched * where(moe, k.expert_launches, 0.0)) * left

    # tensor parallelism
    tensor = tensor_parallel_seconds(w, layout, k, links, at, tokens=tokens, layer_passes=layer_passes)

    # context parallelism: keys and values travel once forward and twice backward
    context = 0.0
    if np.any(c > 1):
        moved = per_step * stage_layers * 3.0 * 2.0 * w.kv_size * (c - 1.0) / t
        context = division(moved) / links.bandwidth(division(c), division(t))

    # expert parallelism: dispatch and combine, forward and backward
    expert = 0.0
    if np.any(moe):
        routed = 4.0 * w.experts_per_token * 2.0 * w.hidden_size * (e - 1.0) / e / t * per_step * stage_layers
        exposed = overlapped(w, k)
        exposed = exposed * where(w.hides_routing > 0, 1.0 - k.overlap, k.expert_exposed)
        expert = division(routed * exposed) * links.routed_seconds(w, division(e), division(t)) * left
        expert = expert + division(where(e > 1, layer_passes * 4.0 * e * k.hop_seconds, 0.0))

    # pipeline parallelism: 16-bit activations on, gradients back, over every boundary of a virtual stage
    pipeline = 0.0
    if np.any(p > 1):
        passed = per_step * 2.0 * 2.0 * w.hidden_size * layout.virtual_pipeline / t * k.pipeline_exposed
        near = division(t * p) <= links.node
        pipeline = division(where(p > 1, passed, 0.0)) / where(near, links.within(2.0), links.outside)

    # a pass is no faster than the host launches it
    host = where(
        w.is_eager > 0,
        k.eager_host_seconds,
        k.plain_host_seconds + w.is_tuned * (k.tuned_host_seconds - k.plain_host_seconds),
    )
    host = host * (1.0 + full / 3.0) * where(t > 1, k.tensor_host_factor, 1.0)
    host = host * where(w.is_dequantised > 0, k.dequantised_host_factor, 1.0)
    # a single GPU has nothing to gather, but DeepSpeed-Chat's engines pass through their hooks there too
    gathers = (layout.sharding >= 3) & ((dp * c > 1) | (w.is_online > 0))
    host = host * where(gathers & (w.is_eager > 0), k.sharded_host_factor, 1.0)
    computing = gemm + attention + elementwise + launches
    busy = computing + tensor + context + expert
    idle = maximum(division(layer_passes * host) - busy, 0.0)
    launches = launches + idle

    work = busy + idle + pipeline
    bubble = work * division((p - 1.0) / (micro_batches * layout.virtual_pipeline)) if np.any(p > 1) else 0.0

    generation = 0.0
    if np.any(w.rollout_share):
        pairs = lifted(layout, at)
        products = division(per_step * w.rollout_share * (w.body_flops + w.head_flops) / (t * p))
        products = products * saturation * accelerator(1.0 / gemm_rate)
        rollouts = generation_seconds(w, pairs, accelerator(device.memory_bytes_per_second), links.outside, k)
        generation = where(w.rollout_share > 0, maximum(rollouts - products, 0.0), 0.0)

    held = sum(parameters_per_gpu(w, layout))
    hiding = (computing + idle) / division(micro_batches)
    data = data_parallel_seconds(
        w, layout, k, links, at, held=held, micro_batches=micro_batches, hiding=hiding
    )

    trained = w.trained_parameters / w.parameters
    state = held * trained * (w.optimizer_bytes + w.gradient_bytes + 2.0) * 2.0
    state = state / where(layout.sharding >= 1, minimum(dp * c, w.sharding_gpus), 1.0)
    optimizer = division(state) * per_byte
    # gradients go to the host, weights come back, and its memory is read and written in between
    away = maximum(w.is_offloaded, w.offloads_parameters)
    if np.any(away):
        optimizer = optimizer + away * division(state) * accelerator(1.0 / device.host_bytes_per_second)
    if np.any(w.offloads_parameters) or np.any(w.offloads_activations):
        bus = accelerator(device.host_bytes_per_second)
        fetched = offload_seconds(w, lifted(layout, at), bus, k, held=division(held), hiding=hiding)
        optimizer = optimizer + division(micro_batches) * fetched
    doublings = log2(maximum(layout.gpus / layout.gpus_per_node, 1.0))
    running = work + generation + bubble + data
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
        straggler=running * division(k.straggler_share * doublings),
        unstated=running * (w.loses_by_choice * k.unstated_loss) if np.any(w.loses_by_choice) else 0.0,
        fixed=k.step_seconds,
        hardware_flops=division(per_step * (gemm_flops + attention_flops)),
    )

"""Time of one optimizer step, by cause. All functions are arithmetic that broadcasts over plans and layouts.

Compute at an efficiency that grows with the size of the matrices, memory-bound work beside it, the pipeline's bubble
(arXiv:2104.04473, section 2.2), and the traffic of each kind of parallelism that compute does not hide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.estimate.constants import Constants
from core.estimate.layout import Layout
from core.estimate.memory import parameters_per_gpu
from core.estimate.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Device:
    """Rates of one GPU in SI units, floats or arrays. Bandwidths are one direction."""

    gemm_flops_per_second: Any
    """Of the plan's precision, dense, as on the data sheet."""
    attention_flops_per_second: Any
    """Of the 16-bit precision that the attention core uses."""
    gemm_ceiling: Any
    """Share of the data sheet's rate that somebody measured on large matrices."""
    memory_bytes_per_second: Any
    interconnect_bytes_per_second: Any
    network_bytes_per_second: Any


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one optimizer step by cause."""

    gemm: Any
    attention: Any
    elementwise: Any
    tensor_parallel: Any
    expert_parallel: Any
    bubble: Any
    data_parallel: Any
    optimizer: Any
    straggler: Any
    hardware_flops: Any
    """Per GPU and step, recomputation included."""

    @property
    def total(self) -> Any:
        work = self.gemm + self.attention + self.elementwise + self.tensor_parallel + self.expert_parallel
        return work + self.bubble + self.data_parallel + self.optimizer + self.straggler


def group_bandwidth(size: Any, stride: Any, at: Layout, device: Device, k: Constants) -> Any:
    """Bytes per second that one GPU moves in a collective of `size` GPUs, `stride` apart."""
    inside = device.interconnect_bytes_per_second * k.collective_efficiency
    outside = device.network_bytes_per_second * k.network_efficiency
    # neighbours of a group that share a node use its network cards together
    sharing = np.clip(at.gpus_per_node / stride, 1.0, None)
    across = np.minimum(outside * np.minimum(sharing, size), inside)
    return np.where(size * stride <= at.gpus_per_node, inside, across)


def step_time(w: Workload, at: Layout, device: Device, k: Constants) -> StepTime:
    """Seconds of one step of `global_batch_tokens`."""
    t, p, c, e = at.tensor_parallel, at.pipeline_parallel, at.context_parallel, at.expert_parallel
    dp = at.data_parallel
    tokens = at.micro_batch_size * w.sequence_length / c
    micro_batches = np.maximum(w.global_batch_tokens / (dp * at.micro_batch_size * w.sequence_length), 1.0)
    per_step = tokens * micro_batches
    full, selective = at.recomputation > 1, at.recomputation == 1

    passes = 1.0 + w.gemm_backward + np.where(full, 1.0, 0.0)
    gemm_flops = (w.body_flops * passes + w.head_flops * (1.0 + w.gemm_backward)) / (t * p)
    repeats = np.where(full | (selective & (w.flash_attention < 1)), 1.0, 0.0)
    attention_flops = w.attention_flops * (1.0 + w.attention_backward + repeats) / (t * p)
    gemm_flops = gemm_flops + w.other_forward_flops / (t * p)
    width = np.where(w.experts > 1, np.minimum(w.expert_ffn_size, w.hidden_size), w.hidden_size) / np.sqrt(t)
    rows = np.where(w.experts > 1, tokens * w.experts_per_token * e / np.maximum(w.experts, 1.0), tokens)
    saturation = width / (width + k.gemm_half_width) * rows / (rows + k.gemm_half_rows)
    gemm_rate = device.gemm_flops_per_second * device.gemm_ceiling * k.gemm_efficiency * saturation
    gemm = per_step * gemm_flops / gemm_rate * (1.0 + w.is_dequantised * k.dequantisation)
    attention = per_step * attention_flops / (device.attention_flops_per_second * k.attention_efficiency)

    stage_layers = w.layers / p
    traffic = k.elementwise_bytes * w.hidden_size * np.where(full, 4.0 / 3.0, 1.0)
    elementwise = per_step * stage_layers * traffic / (t * device.memory_bytes_per_second)
    elementwise = elementwise + micro_batches * stage_layers * k.layer_seconds

    inside = group_bandwidth(t, 1.0, at, device, k)
    exchanged = 2.0 * (4.0 + np.where(full, 2.0, 0.0)) * 2.0 * w.hidden_size * (t - 1.0) / t
    tensor = per_step * stage_layers * exchanged / inside
    routed_bandwidth = group_bandwidth(e, 1.0, at, device, k)
    routed_bytes = 4.0 * w.experts_per_token * 2.0 * w.hidden_size * (e - 1.0) / e / t
    expert = np.where(e > 1, per_step * stage_layers * routed_bytes / routed_bandwidth, 0.0)

    work = gemm + attention + elementwise + tensor + expert
    bubble = work * (p - 1.0) / (micro_batches * at.virtual_pipeline)

    dense, routed = parameters_per_gpu(w, at)
    trained = w.trained_parameters / w.parameters
    group = dp * c
    bandwidth = group_bandwidth(group, t, at, device, k)
    held = dense + routed
    once = (2.0 * w.gradient_bytes * trained) * held * (group - 1.0) / np.maximum(group, 1.0)
    each = (2.0 * w.weight_bytes + w.gradient_bytes * trained) * held * (group - 1.0) / np.maximum(group, 1.0)
    sharded = at.sharding >= 3
    moved = np.where(sharded, each * micro_batches, once) / bandwidth
    hidden = k.overlap * np.where(sharded, gemm + attention, (gemm + attention) / micro_batches)
    data = np.maximum(moved - hidden, 0.0)
    nodes = np.maximum(at.gpus / at.gpus_per_node, 1.0)
    data = data + np.where(
        sharded, micro_batches * stage_layers * 3.0 * np.log2(nodes + 1.0) * k.latency_seconds, 0.0
    )
    state = held * trained * (w.optimizer_bytes + w.gradient_bytes + 2.0) * 2.0
    optimizer = state / np.where(at.sharding >= 1, group, 1.0) / device.memory_bytes_per_second
    straggler = (work + bubble + data) * k.straggler_share * np.log2(nodes)
    return StepTime(
        gemm=gemm,
        attention=attention,
        elementwise=elementwise,
        tensor_parallel=tensor,
        expert_parallel=expert,
        bubble=bubble,
        data_parallel=data,
        optimizer=optimizer,
        straggler=straggler,
        hardware_flops=per_step * (gemm_flops + attention_flops),
    )

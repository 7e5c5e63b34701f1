"""Memory of one GPU, by component. All functions are arithmetic that broadcasts over plans and layouts.

States follow ZeRO (arXiv:1910.02054, section 5), activations Korthikanti et al. (arXiv:2205.05198, table 2)
with the saved tensors of a gated block counted one by one; the largest stage of a pipeline is the first
one, which holds as many micro-batches as there are stages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum

GIB = 2.0**30


@dataclass(frozen=True, kw_only=True)
class Memory:
    """GiB per GPU, floats or arrays. `activations` are those of `micro_batch_size` sequences."""

    weights: Any
    gradients: Any
    optimizer: Any
    activations: Any
    overhead: Any

    @property
    def total(self) -> Any:
        return self.weights + self.gradients + self.optimizer + self.activations + self.overhead


def parameters_per_gpu(w: Workload, at: Layout) -> tuple[Any, Any]:
    """Dense and routed parameters that one GPU of the first stage would hold without data-parallel
    sharding.
    """
    dense_body = maximum(w.parameters - w.routed_parameters - w.embedding_parameters, 0.0)
    # both embeddings sit on different stages once there are two of them
    embedding = w.embedding_parameters / where(at.pipeline_parallel > 1, 2.0, 1.0)
    dense = (dense_body / at.pipeline_parallel + embedding) / at.tensor_parallel
    # experts are split by tensor parallelism too where enough GPUs are left for it
    experts = at.expert_parallel * at.tensor_parallel
    experts = where(experts * at.pipeline_parallel <= at.gpus, experts, at.expert_parallel)
    routed = w.routed_parameters / (at.pipeline_parallel * experts)
    return dense, routed


def activation_bytes_per_token(w: Workload, at: Layout) -> Any:
    """Bytes that one layer keeps per token for the backward pass, before any division.

    In 16 bits: inputs and outputs of both norms, queries and the attention output make 12 d, keys and
    values add their width. A gated feed-forward keeps both halves, the activation and the product, 8 f, or
    6 f if activation and product are fused; one without a gate keeps the input and the output of the
    activation, 4 f. With FP8 the inputs of matrices are kept in one byte. In 32 bits all is twice that.
    """
    d, f = w.hidden_size, w.ffn_active_size
    gated = where(w.is_quantised > 0, 5.0, where(w.is_tuned > 0, 6.0, 8.0))
    plain = where(w.is_quantised > 0, 3.0, 4.0)
    streams = where(w.is_quantised > 0, 10.0, 12.0)
    kept = streams * d + 2.0 * w.kv_size + where(w.ffn_matrices > 2, gated, plain) * f
    # the attention matrix: 5 a s bytes, gone with FlashAttention or selective recomputation
    matrix = 5.0 * w.attention_heads * w.sequence_length
    keeps_matrix = (at.recomputation < 1) & (w.flash_attention < 1)
    return (kept + where(keeps_matrix, matrix, 0.0)) * where(w.weight_bytes >= 4.0, 2.0, 1.0)


def activation_gib(w: Workload, at: Layout, k: Constants) -> Any:
    """Activations of `at.micro_batch_size` sequences on the fullest stage, logits included."""
    t, p = at.tensor_parallel, at.pipeline_parallel
    tokens = at.micro_batch_size * w.sequence_length / at.context_parallel
    # the fullest stage of layers that do not divide evenly
    stage_layers = np.ceil(w.layers / p - 1e-9)
    # inputs of the column-parallel matrices come back gathered, the rest is divided (sequence parallelism)
    gathered = k.gathered_bytes * w.hidden_size * (t - 1.0) / t
    layer = tokens * (activation_bytes_per_token(w, at) * k.kept_share / t + gathered)
    # recomputing a layer keeps its 16-bit input, and one layer at a time comes back whole
    full = maximum(at.recomputation - 1.0, 0.0)
    stored = (full * tokens * 2.0 * w.hidden_size + (1.0 - full) * layer) * stage_layers
    per_pass = at.data_parallel * at.micro_batch_size * w.sequence_length
    micro_batches = maximum(w.global_batch_tokens / per_pass, 1.0)
    # interleaving starts more micro-batches; without it, engines keep buffers of some more than one per stage
    more = where(at.virtual_pipeline > 1, 1.0 / at.virtual_pipeline, k.pipeline_buffers)
    in_flight = minimum(p + (p - 1.0) * more, micro_batches)
    working = where(full > 0, layer, 0.0)
    kept = where(w.is_adapted > 0, k.adapter_logit_bytes, k.logit_bytes)
    logits = tokens * w.vocabulary_size * kept / t
    first = stored * in_flight + working
    last = stored + working + logits
    return maximum(first, last) / GIB


def states(w: Workload, at: Layout, k: Constants) -> Memory:
    """Everything that does not depend on the micro-batch or on recomputation; activations are 0."""
    dense, routed = parameters_per_gpu(w, at)
    dense_group = minimum(at.data_parallel * at.context_parallel, w.sharding_gpus)
    routed_group = maximum(at.gpus * routed / maximum(w.routed_parameters, 1.0), 1.0)
    routed_group = minimum(routed_group, w.sharding_gpus)
    held = dense + routed
    sharded = dense / dense_group + routed / routed_group
    trained = w.trained_parameters / w.parameters
    weights = where(at.sharding >= 3, sharded, held) * w.weight_bytes
    # gradients are computed in 16 bits and accumulated beside that, unless they are scattered at once
    copied = (w.gradient_bytes > 2.0) & (at.sharding < 2) & (w.keeps_copies > 0)
    gradient_bytes = w.gradient_bytes + where(copied, k.gradient_copy_bytes, 0.0)
    gradients = where(at.sharding >= 2, sharded, held) * trained * gradient_bytes
    # offloaded states live in the host's memory (ZeRO-Offload, arXiv:2101.06840, section 4.1)
    optimizer = where(at.sharding >= 1, sharded, held) * trained * w.optimizer_bytes * (1.0 - w.is_offloaded)
    # two gathered layers of weights while sharded, ZeRO-3 prefetch
    gathered = where(at.sharding >= 3, 2.0 * held / w.layers * 2.0, 0.0) * k.allocator_slack
    # the step of an optimizer that is not fully sharded works on copies
    copies = where((at.sharding < 2) & (w.keeps_copies > 0), gradients + optimizer, 0.0) * (
        k.state_slack - 1.0
    )
    groups = (at.data_parallel > 1) * 1.0 + (at.tensor_parallel > 1) + (at.context_parallel > 1)
    buffers = groups * k.communicator_gib + (at.pipeline_parallel > 1) * k.pipeline_gib
    return Memory(
        weights=weights / GIB,
        gradients=gradients / GIB,
        optimizer=optimizer / GIB,
        activations=0.0,
        overhead=k.framework_gib + buffers + (gathered + copies) / GIB,
    )


def memory(w: Workload, at: Layout, k: Constants) -> Memory:
    """Memory of the fullest GPU."""
    return with_activations(states(w, at, k), activation_gib(w, at, k), k)


def with_activations(fixed: Memory, activations: Any, k: Constants) -> Memory:
    """States and activations together, with the allocator's slack on the latter."""
    return replace(
        fixed, activations=activations, overhead=fixed.overhead + (k.allocator_slack - 1.0) * activations
    )

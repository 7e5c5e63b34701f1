"""Activations and logits of one GPU, in arithmetic that broadcasts over plans and layouts.

Korthikanti et al. (arXiv:2205.05198, table 2) with the saved tensors of a gated block counted one by one. The
largest stage of a pipeline is the first one, which holds as many micro-batches as there are stages, or the last with
the logits.

How logits are held, bytes per logit:

* `plain`: PyTorch's own loss: 16-bit logits, and 32-bit copies for the loss, its softmax and its gradient;
* `parallel`: Megatron's: 16-bit logits, one 32-bit copy that is worked on in place, a 16-bit gradient;
* `fused`: softmax, loss and gradient in place on 16-bit logits (Unsloth, flash-attention's loss);
* `chunked`: 16-bit logits and gradients, 32-bit copies of one chunk of eight (torchtune, litgpt);
* `cut`: output matrix and loss in one kernel, so that logits are never held (Liger, arXiv:2410.10989, section 3.2; cut
  cross-entropy, arXiv:2411.09009); what is left is some copies of the last hidden state.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum

GIB = 2.0**30
CHUNKS = 8.0
FUSED_LOGIT_BYTES = 4.0
CUT_STREAM_BYTES = 8.0
# an offloaded activation leaves while the next is made: two layers are on the GPU at a time
LAYERS_ON_GPU = 2.0


def saved_bytes(w: Workload, layout: Layout) -> tuple[Any, Any]:
    """Bytes that one layer keeps per token: what only sequence parallelism divides, and what tensor parallelism does.

    In 16 bits: inputs and outputs of both norms make 8 d and are whole on each GPU of a tensor-parallel group;
    queries and the attention's output make 4 d, keys and values add their width. A gated feed-forward keeps
    both halves, the activation and the product, 8 f, or 6 f if activation and product are fused; one without a
    gate keeps the input and the output of the activation, 4 f, and of ReLU the output alone. Routed tokens are copied
    to their experts and back. With FP8 the inputs of matrices are kept in one byte. In 32 bits all is twice that.
    """
    d, f = w.hidden_size, w.ffn_active_size
    gated = where(w.is_quantised > 0, 5.0, 8.0 - 2.0 * w.is_tuned)
    plain = where(w.is_quantised > 0, 3.0, 4.0)
    whole = (where(w.is_quantised > 0, 7.0, 8.0) + w.extra_streams) * d
    split = where(w.is_quantised > 0, 3.0, 4.0) * d + 2.0 * w.kv_size
    split = split + where(w.ffn_matrices > 2, gated, plain - 2.0 * w.is_relu) * f
    split = split + where(w.experts > 1, 4.0 * w.experts_per_token * d, 0.0)
    # the attention matrix: 5 a s bytes, gone with FlashAttention or selective recomputation
    matrix = 5.0 * w.attention_heads * w.sequence_length
    keeps_matrix = (layout.recomputation < 1) & (w.flash_attention < 1)
    wide = 1.0 + w.is_wide
    return whole * wide, (split + where(keeps_matrix, matrix, 0.0)) * wide


def alternate_bytes(w: Workload) -> tuple[Any, Any]:
    """The same where every second product is kept: of queries, keys, values, output, gate, up and down the first,
    third, fifth and seventh, beside the layer's input and the attention's output (TorchTitan,
    `activation_checkpoint.py`).
    """
    gated = w.ffn_matrices > 2
    whole = where(gated, 4.0, 2.0) * w.hidden_size
    split = 4.0 * w.hidden_size + w.kv_size + 2.0 * w.ffn_active_size
    return whole * (1.0 + w.is_wide), split * (1.0 + w.is_wide)


def lean_bytes(w: Workload) -> tuple[Any, Any]:
    """The same where tuned stacks recompute what costs next to nothing: outputs of norms, the product of a gated
    feed-forward, and what comes back from the experts, whose weights are applied before (DeepSeek-V3, arXiv:2412.19437,
    sections 3.2.3 and 3.3.3; Megatron-Core, `--recompute-modules`). Inputs of experts are kept in one byte with FP8.
    """
    d, f = w.hidden_size, w.ffn_active_size
    split = where(w.is_quantised > 0, 3.0, 4.0) * d + 2.0 * w.kv_size
    plain = where(w.is_quantised > 0, 3.0, 4.0) - 2.0 * w.is_relu
    split = split + where(w.ffn_matrices > 2, 4.0, plain) * f
    routed = where(w.is_quantised > 0, 1.0, 2.0) * w.experts_per_token * d
    wide = 1.0 + w.is_wide
    return (4.0 + w.extra_streams) * d * wide, (split + where(w.experts > 1, routed, 0.0)) * wide


def _layer(w: Workload, layout: Layout, saved: tuple[Any, Any]) -> Any:
    """Bytes of one layer per token on one GPU of its tensor-parallel group."""
    whole, split = saved
    return split / layout.tensor_parallel + whole / where(
        w.sequence_parallel > 0, layout.tensor_parallel, 1.0
    )


def pass_tokens(w: Workload, layout: Layout) -> Any:
    """Tokens of one pass on one GPU. DPO passes a pair at least, the chosen and the rejected answer together."""
    return maximum(layout.micro_batch_size, w.least_sequences) * w.sequence_length / layout.context_parallel


def logit_bytes_per_token(w: Workload, layout: Layout, k: Constants) -> Any:
    """Bytes of logits and their loss per token of the last stage."""
    chunked = FUSED_LOGIT_BYTES + maximum(k.plain_logit_bytes - FUSED_LOGIT_BYTES, 0.0) / CHUNKS
    each = w.plain_logits * k.plain_logit_bytes + w.parallel_logits * k.parallel_logit_bytes
    each = each + w.fused_logits * FUSED_LOGIT_BYTES + w.chunked_logits * chunked
    return (
        each * w.vocabulary_size + w.cut_logits * CUT_STREAM_BYTES * w.hidden_size
    ) / layout.tensor_parallel


class LayerBytes(NamedTuple):
    """Bytes per token that one layer keeps until its backward pass, on the fullest GPU."""

    saved: Any
    """Nothing recomputed whole."""
    lean: Any
    """... but what tuned stacks recompute at next to no cost."""
    inputs: Any
    """The input alone, of a layer that is recomputed."""
    working: Any
    """The layer that is worked on, which comes back whole."""
    is_alternate: Any
    logits: Any
    """Of the last stage."""

    def stored(self, recomputation: Any, *, is_lean: bool = False) -> tuple[Any, Any]:
        """Kept by one layer, and by the layer that is worked on, per token."""
        saved = self.lean if is_lean else self.saved
        if not np.ndim(recomputation) and recomputation in (1.0, 2.0):
            is_whole = recomputation > 1.0
            working = self.working if is_whole else where(self.is_alternate, self.working, 0.0)
            return (self.inputs if is_whole else saved), working
        full = maximum(recomputation - 1.0, 0.0)
        working = where((full > 0) | self.is_alternate, self.working, 0.0)
        return full * self.inputs + (1.0 - full) * saved, working


def layer_bytes(w: Workload, layout: Layout, k: Constants) -> LayerBytes:
    """What a layer keeps in that division, whatever the micro-batch and the share that is recomputed."""
    t, d = layout.tensor_parallel, w.hidden_size
    # inputs of both column-parallel matrices, where they are not gathered again
    gathered = 4.0 * d * (t - 1.0) / t * w.keeps_gathered
    layer = (_layer(w, layout, saved_bytes(w, layout)) + gathered) * k.kept_share
    is_alternate = (w.is_alternate > 0) & (layout.recomputation >= 1)
    saved = (
        where(is_alternate, _layer(w, layout, alternate_bytes(w)), layer) if np.any(is_alternate) else layer
    )
    lean = saved
    if np.any(w.is_tuned):
        lean = (_layer(w, layout, lean_bytes(w)) + gathered) * k.kept_share
        lean = minimum(saved, saved + w.is_tuned * (lean - saved))
    return LayerBytes(
        saved=saved,
        lean=lean,
        # recomputing a layer keeps its input, and one layer at a time comes back whole
        inputs=2.0 * d * (1.0 + w.is_wide) / where(w.sequence_parallel > 0, t, 1.0),
        working=layer,
        is_alternate=is_alternate,
        logits=logit_bytes_per_token(w, layout, k),
    )


def stage_layers(w: Workload, layout: Layout) -> Any:
    """Layers of the fullest stage, where they do not divide evenly."""
    return np.ceil(w.layers / layout.pipeline_parallel - 1e-9)


class Stage(NamedTuple):
    """What decides the activations of the fullest stage beside its layers' bytes, whatever the micro-batch."""

    layers: Any
    most_in_flight: Any
    """Micro-batches that the first stage holds, if a step has as many."""
    sequences: Any
    """Of a step on one replica."""
    is_pipelined: Any
    gib_per_byte: Any
    """Of one sequence and a byte per token."""

    def in_flight(self, micro_batch_size: Any) -> Any:
        """Micro-batches that the first stage holds."""
        return minimum(self.most_in_flight, maximum(self.sequences / micro_batch_size, 1.0))

    def activation_gib(
        self,
        w: Workload,
        layer: LayerBytes,
        micro_batch_size: Any,
        in_flight: Any,
        recomputation: Any,
        *,
        is_lean: bool = False,
    ) -> Any:
        """Activations of that many sequences on the fullest stage, logits included."""
        each, working = layer.stored(recomputation, is_lean=is_lean)
        layers, held = self.layers, in_flight
        if np.any(w.offloads_activations):
            away = w.offloads_activations > 0
            layers, held = where(away, minimum(layers, LAYERS_ON_GPU), layers), where(away, 1.0, held)
        stored = each * layers
        last = stored + working + layer.logits
        if np.any(self.is_pipelined):
            last = where(self.is_pipelined, maximum(stored * held + working, last), last)
        return last * (maximum(micro_batch_size, w.least_sequences) * self.gib_per_byte)


def stage_of(w: Workload, layout: Layout, k: Constants) -> Stage:
    """The fullest stage of that division: it holds a micro-batch per stage; interleaving starts more of them
    (arXiv:2205.05198, section 4.2.3), and DeepSpeed's engine keeps buffers of some more (`pipe/engine.py`).
    """
    p = layout.pipeline_parallel
    more = where(
        layout.virtual_pipeline > 1, 1.0 / layout.virtual_pipeline, w.keeps_copies * k.pipeline_buffers
    )
    return Stage(
        layers=stage_layers(w, layout),
        most_in_flight=p + (p - 1.0) * more,
        sequences=w.global_batch_tokens / (layout.data_parallel * w.sequence_length),
        is_pipelined=p > 1,
        gib_per_byte=w.sequence_length / layout.context_parallel / GIB,
    )


def activation_gib(w: Workload, layout: Layout, k: Constants, layer: LayerBytes | None = None) -> Any:
    """Activations of `layout.micro_batch_size` sequences on the fullest stage, logits included.

    Args:
        layer: what `layer_bytes` says of the division, where that is there already.
    """
    layer, stage, micro = layer or layer_bytes(w, layout, k), stage_of(w, layout, k), layout.micro_batch_size
    return stage.activation_gib(w, layer, micro, stage.in_flight(micro), layout.recomputation)


def in_flight(w: Workload, layout: Layout, k: Constants) -> Any:
    """Micro-batches that the first stage holds."""
    return stage_of(w, layout, k).in_flight(layout.micro_batch_size)


def offloaded_gib(w: Workload, layout: Layout, k: Constants) -> Any:
    """Stored activations of one GPU that live in the host's memory."""
    each, _ = layer_bytes(w, layout, k).stored(layout.recomputation)
    moved = maximum(stage_layers(w, layout) * in_flight(w, layout, k) - LAYERS_ON_GPU, 0.0)
    return w.offloads_activations * each * pass_tokens(w, layout) * moved / GIB

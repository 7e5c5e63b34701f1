"""The section of a plan that gives a network's shape."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gpuledger.core.quantity import Amount, Count, CountOrZero, Section, Share


class ArchitectureKeys(Section):
    """`[architecture]`: the network's shape. What is left out is filled from the preset or inferred."""

    layers: Count | None = None
    hidden_size: Count | None = None
    attention_heads: Count | None = None
    kv_heads: Count | None = None
    head_size: Count | None = None
    ffn_hidden_size: Count | None = None
    vocabulary_size: Count | None = None
    gated_ffn: bool | None = None
    tied_embeddings: bool | None = None
    experts: Count | None = None
    experts_per_token: Count | None = None
    shared_experts: CountOrZero | None = None
    shared_expert_ffn_hidden_size: Count | None = None
    """Width of one shared expert where it is not that of the others."""
    expert_ffn_hidden_size: Count | None = None
    dense_layers: CountOrZero | None = None
    """Leading layers without experts in a mixture of experts."""
    moe_every: Count | None = None
    """Every n-th layer has experts; 1 unless said."""
    query_lora_rank: CountOrZero | None = None
    kv_lora_rank: Count | None = None
    """Given for multi-head latent attention; the three head sizes below belong to it."""
    nope_head_size: Count | None = None
    rope_head_size: Count | None = None
    value_head_size: Count | None = None
    sliding_window: Count | None = None
    windowed_layers_share: Share | None = None
    """Share of the layers that see only the window; all, if a window is given and this is not."""
    causal: bool | None = None
    decoder_layers: Count | None = None
    """Encoder-decoder networks: decoder layers with cross attention, beside `layers` of the encoder."""
    learned_positions: CountOrZero | None = None
    bias: Literal["none", "qkv", "all"] | None = None
    attention_layers: CountOrZero | None = None
    """Layers with attention; all where not given."""
    mixer_layers: CountOrZero | None = None
    mixer_parameters: CountOrZero | None = None
    """Of one state space, linear attention or convolution in place of attention or beside it."""
    ffn_layers: CountOrZero | None = None
    unique_layers: Count | None = None
    """Layers with parameters of their own, where layers share them."""
    attention_gate: bool | None = None
    embedding_size: Count | None = None
    side_parameters: CountOrZero | None = None
    """In memory, but not passed by every text token: towers for images or sound, poolers."""
    note: str | None = Field(default=None, max_length=500)
    """What whoever wrote these keys left out; shown as a warning."""
    parameters: Amount | None = None
    active_parameters: Amount | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ArchitectureKeys:
        if self.kv_heads and self.attention_heads and self.attention_heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} must divide attention_heads {self.attention_heads}")
        if self.experts and self.experts_per_token and self.experts_per_token > self.experts:
            raise ValueError(f"experts_per_token {self.experts_per_token} exceeds experts {self.experts}")
        if self.active_parameters and self.parameters and self.active_parameters > self.parameters * 1.001:
            raise ValueError(
                f"active_parameters {self.active_parameters:g} exceeds parameters {self.parameters:g}"
            )
        return self

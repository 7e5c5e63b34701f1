"""Operations of a token: one multiply-add counts as two FLOPs.

Model FLOPs are what the algorithm needs; they never count recomputation. Hardware FLOPs do. The forward
pass costs two FLOPs per matrix parameter (Kaplan et al., arXiv:2001.08361, section 2.1) and four per
position attended to and head element (PaLM, arXiv:2204.02311, appendix B); a causal network attends to half
the sequence, a window to less.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpuledger.core.estimate.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class ForwardFLOPs:
    """FLOPs per token of one forward pass, by the kind of work."""

    body: float
    head: float
    attention: float

    @property
    def total(self) -> float:
        return self.body + self.head + self.attention


def attended_positions(architecture: Architecture, sequence_length: int) -> float:
    """Mean number of positions that one token attends to, over the layers."""
    full = sequence_length / 2 if architecture.causal else float(sequence_length)
    if not architecture.sliding_window:
        return full
    window = min(architecture.sliding_window, sequence_length)
    # causal: the first w tokens see half a window on average, the others a whole one
    windowed = window - window**2 / (2 * sequence_length) if architecture.causal else float(window)
    share = architecture.windowed_layers_share
    return share * min(windowed, full) + (1 - share) * full


def forward_flops(architecture: Architecture, sequence_length: int) -> ForwardFLOPs:
    """FLOPs per token of one forward pass at that sequence length."""
    heads = architecture.attention_heads
    per_position = 2 * heads * (architecture.query_key_size + architecture.value_size)
    # a layer of the decoder attends to itself and to the encoder
    blocks = architecture.attending_layers + architecture.decoder_layers
    # a token passes either the encoder or the decoder, not both
    share = architecture.layers / architecture.all_layers if architecture.decoder_layers else 1.0
    return ForwardFLOPs(
        body=2.0 * architecture.body_matrix_parameters * max(share, 0.5),
        head=2.0 * architecture.head_parameters,
        attention=blocks * max(share, 0.5) * per_position * attended_positions(architecture, sequence_length),
    )

"""Weights with two zeros in every four (2:4), where the matrix units skip them: what that saves in time and memory.

Published for the feed-forward matrices alone, so only theirs are taken as sparse. Zeros without such a pattern save
nothing on GPUs; whole heads and channels that are pruned are `architecture.pruned_share`.
"""

from __future__ import annotations

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.gpu import GPU
from gpuledger.core.plan import TrainingPlan

# forward and backward of both linear layers of ViT-L's feed-forward on A100: 1.24 and 1.27 times as fast (torchao,
# `torchao/sparsity/training/README.md`, 18 June 2024)
TRAINING_SPEEDUP = 1.255
# the gradient of the weights, a third of that work, stays dense: so the other two thirds are this much faster
MULTIPLY_SPEEDUP = (2 / 3) / (1 / TRAINING_SPEEDUP - 1 / 3)
# half of the 16-bit values, and two bits of index for each (Mishra et al., arXiv:2104.08378, section 3)
STORED_SHARE = 9 / 16
# sparse tensor cores: NVIDIA from Ampere on (arXiv:2104.08378); AMD from MI300 on (CDNA 3 white paper, 2023)
ARCHITECTURES = frozenset(
    {"ampere", "ada", "hopper", "blackwell", "blackwell ultra", "rubin", "cdna3", "cdna4", "cdna5"}
)


def refuse_without_units(plan: TrainingPlan, gpu: GPU) -> None:
    """Refuse accelerators whose matrix units multiply zeros like any number.

    Raises:
        InvalidPlanError: the plan has 2:4 weights and the GPU cannot skip their zeros.
    """
    if plan.weight_sparsity is not None and gpu.architecture not in ARCHITECTURES:
        raise InvalidPlanError(
            "weight_sparsity", f"{gpu.gpu_id} has no units for {plan.weight_sparsity} sparsity"
        )


def saved_share(plan: TrainingPlan, a: Architecture, body_flops: float, head_flops: float) -> float:
    """Share of the time of all matrix multiplies that sparse feed-forward matrices save."""
    if plan.weight_sparsity is None:
        return 0.0
    fed = a.layers if a.ffn_layers is None else a.ffn_layers
    experts = a.moe_layers * (a.experts_per_token + a.shared_experts) * a.expert_parameters
    feed_forward = experts + (fed - a.moe_layers + a.decoder_layers) * a.dense_ffn_parameters
    speedup = MULTIPLY_SPEEDUP if plan.has_adapters else TRAINING_SPEEDUP
    return min(2.0 * feed_forward / (body_flops + head_flops), 1.0) * (1 - 1 / speedup)


def frozen_bytes(plan: TrainingPlan, a: Architecture, weight_bytes: float) -> float:
    """Bytes of a frozen weight, the mean over sparse and dense matrices. Trained ones are kept whole."""
    if plan.weight_sparsity is None:
        return weight_bytes
    fed = a.layers if a.ffn_layers is None else a.ffn_layers
    dense = (fed - a.moe_layers + a.decoder_layers) * a.dense_ffn_parameters
    share = min((a.routed_parameters + dense) / a.parameters, 1.0)
    return weight_bytes * (1 - share * (1 - STORED_SHARE))

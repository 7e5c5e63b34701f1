"""Networks that stand beside the trained one and take memory where they live."""

from __future__ import annotations

from dataclasses import dataclass

from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.plan import TrainingPlan

# 16 bits a weight and a cached element
HALF = 2.0


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Parameters of those networks, and what writes the rollouts."""

    frozen: float
    """Reference, reward network, teacher: weights only."""
    trained: float
    """The critic: weights, gradients and optimizer, as the trained network's."""
    engine_bytes: float
    """The rollout engine's own copy of the weights; 0 without one on these GPUs."""
    cache_bytes_per_token: float
    """Keys and values of one token in all layers."""


def beside(plan: TrainingPlan, a: Architecture) -> Beside:
    """What a method keeps beside the network it trains.

    DPO, PPO and GRPO compare with a frozen reference (arXiv:2305.18290, equation 7; arXiv:2402.03300, equation
    3), which adapters get by being switched off. PPO adds a reward network and a trained critic
    (arXiv:2203.02155, section 3.5), distillation a teacher. Rollouts are written by an engine with weights of
    its own (arXiv:2409.19256, section 5) unless that runs elsewhere.
    """
    n = a.parameters
    frozen = trained = 0.0
    reference = 0.0 if plan.has_adapters or plan.cached_reference else n
    if plan.method == "dpo":
        frozen = reference
    elif plan.method == "distillation":
        frozen = plan.teacher_parameters or n
    elif plan.method == "grpo":
        frozen = reference + (plan.reward_parameters or 0.0)
    elif plan.method == "ppo":
        critic = plan.critic_parameters or n
        frozen = reference + (plan.reward_parameters or n) + (critic if plan.has_adapters else 0.0)
        trained = 0.0 if plan.has_adapters else critic
    writes = plan.method in ("ppo", "grpo") and plan.hardware.rollout_engine != "separate"
    return Beside(
        frozen=frozen,
        trained=trained,
        engine_bytes=HALF * n if writes else 0.0,
        cache_bytes_per_token=HALF * cached_elements_per_token(a) if writes else 0.0,
    )


def cached_elements_per_token(a: Architecture) -> float:
    """Keys and values that one token leaves in all layers; of latent attention what they are expanded from
    (arXiv:2412.19437, section 2.1.1)."""
    heads = a.kv_lora_rank + a.rope_head_size if a.kv_lora_rank else 2 * a.kv_heads * a.head_size
    return float(heads * (a.all_layers if a.attention_layers is None else a.attending_layers))

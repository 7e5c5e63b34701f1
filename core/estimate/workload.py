"""What a plan asks of the hardware, as plain numbers: the step between a plan and the physics.

A `Workload` holds one plan; its fields may also be arrays of many plans, as all formulas of `memory` and
`throughput` are arithmetic that broadcasts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from core.errors import InvalidPlanError
from core.estimate.architecture import Architecture, resolve
from core.estimate.flops import forward_flops
from core.estimate.layout import states_division
from core.plan import TrainingPlan

# tokens per step of published pretraining runs: Llama 2 (arXiv:2307.09288) and BLOOM 4M, Pythia and SmolLM 2M
PRETRAIN_BATCH_TOKENS = 4_194_304.0
# 64 sequences: the usual batch of instruction tuning (QLoRA, arXiv:2305.14314, table 9: 16 to 64)
FINETUNE_BATCH_SEQUENCES = 64
SEQUENCE_LENGTH = {"pretrain": 4096}
FINETUNE_SEQUENCE_LENGTH = 2048
LORA_RANK = 16

# bytes per parameter of weights, gradients and optimizer state: ZeRO, arXiv:1910.02054, section 3.1, for
# mixed precision Adam; 8-bit states, arXiv:2110.02861; the others follow from the number of states each
# keeps
OPTIMIZER_BYTES = {"adamw": 12.0, "adamw_8bit": 6.0, "sgd": 8.0, "adafactor": 4.0, "muon": 8.0}
FUSED_STACKS = frozenset(["megatron", "nemo", "megatron-bridge", "maxtext", "transformer-engine", "unsloth"])
# 4-bit NormalFloat with double quantisation: 4.127 bits, QLoRA, arXiv:2305.14314, section 3
NF4_BYTES = 4.127 / 8


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Sizes in elements, FLOPs per token, bytes per parameter. Floats, or arrays that broadcast."""

    tokens: Any
    sequence_length: Any
    global_batch_tokens: Any
    layers: Any
    hidden_size: Any
    kv_size: Any
    ffn_active_size: Any
    ffn_matrices: Any
    attention_heads: Any
    vocabulary_size: Any
    parameters: Any
    active_parameters: Any
    embedding_parameters: Any
    routed_parameters: Any
    trained_parameters: Any
    experts: Any
    experts_per_token: Any
    expert_ffn_size: Any
    body_flops: Any
    head_flops: Any
    attention_flops: Any
    gemm_backward: Any
    attention_backward: Any
    other_forward_flops: Any
    weight_bytes: Any
    gradient_bytes: Any
    optimizer_bytes: Any
    is_dequantised: Any
    is_adapted: Any
    flash_attention: Any
    is_fused: Any
    is_quantised: Any
    keeps_copies: Any
    is_offloaded: Any

    @property
    def model_flops_per_token(self) -> Any:
        """Forward and backward, nothing recomputed."""
        gemm = (self.body_flops + self.head_flops) * (1 + self.gemm_backward)
        return gemm + self.attention_flops * (1 + self.attention_backward) + self.other_forward_flops


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A plan's network and workload, and what had to be assumed to get there."""

    plan: TrainingPlan
    architecture: Architecture
    workload: Workload
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]


def stack(workloads: list[Workload]) -> Workload:
    """One workload whose fields are columns over `workloads`."""
    return Workload(
        **{
            field.name: np.array([getattr(w, field.name) for w in workloads], float)
            for field in fields(Workload)
        }
    )


def demand(plan: TrainingPlan) -> Demand:
    """The workload of a plan.

    Raises:
        InvalidPlanError: the plan does not say how many tokens are trained.
    """
    architecture, assumed, warnings = resolve(plan)
    assumptions = list(assumed)
    pretrain = plan.method in ("pretrain", "distillation")
    sequence_length = plan.sequence_length
    if sequence_length is None:
        sequence_length = 4096 if pretrain else FINETUNE_SEQUENCE_LENGTH
        assumptions.append(f"sequence_length: {sequence_length} (not given)")
    batch = plan.global_batch_tokens
    if batch is None:
        batch = PRETRAIN_BATCH_TOKENS if pretrain else float(FINETUNE_BATCH_SEQUENCES * sequence_length)
        assumptions.append(f"global_batch_tokens: {batch:.0f} (not given)")
    tokens = plan.total_tokens
    if tokens is None:
        # 20 tokens per parameter: Hoffmann et al., arXiv:2203.15556, table 3
        tokens = 20.0 * architecture.active_parameters if pretrain else 5.0e7
        assumptions.append(f"training_tokens: {tokens:.4g} (not given)")
    if sequence_length > batch:
        raise InvalidPlanError(
            "global_batch_tokens", f"{batch:g} is less than one sequence of {sequence_length}"
        )
    return Demand(
        plan=plan,
        architecture=architecture,
        workload=_workload(plan, architecture, sequence_length, batch, tokens, assumptions),
        assumptions=tuple(assumptions),
        warnings=tuple(warnings),
    )


def lora_parameters(plan: TrainingPlan, architecture: Architecture) -> float:
    """Rank times (inputs + outputs) of every adapted matrix (LoRA, arXiv:2106.09685, section 4.1)."""
    rank, d = plan.lora_rank or LORA_RANK, architecture.hidden_size
    query = architecture.head_size * architecture.attention_heads
    value = architecture.head_size * architecture.kv_heads
    attention = {"query_value": (d + query) + (d + value)}
    attention["attention"] = 2 * (d + query) + 2 * (d + value)
    ffn = architecture.ffn_matrices * (
        d + (architecture.ffn_hidden_size or architecture.expert_ffn_hidden_size)
    )
    attention["all_linear"] = attention["attention"] + ffn
    return float(rank * architecture.layers * attention[plan.lora_targets or "all_linear"])


def _workload(
    plan: TrainingPlan,
    a: Architecture,
    sequence_length: int,
    batch: float,
    tokens: float,
    assumptions: list[str],
) -> Workload:
    forward = forward_flops(a, sequence_length)
    adapters = plan.method in ("lora", "qlora")
    trained = a.parameters
    gemm_backward, weight_bytes = 2.0, 4.0 if plan.precision in ("fp32", "tf32") else 2.0
    if adapters:
        trained = lora_parameters(plan, a)
        if plan.lora_rank is None:
            assumptions.append(f"lora_rank: {LORA_RANK} (not given)")
        gemm_backward = 1.0 + trained / a.active_parameters
    elif plan.frozen_layers_share:
        trained = a.parameters * (1 - plan.frozen_layers_share)
        gemm_backward = 2.0 * (1 - plan.frozen_layers_share)
    if plan.method == "qlora":
        # embeddings, output matrix and norms are not quantised but cast to fp32 (PEFT,
        # prepare_model_for_kbit_training)
        kept = a.embedding_parameters + (0 if a.tied_embeddings else a.head_parameters)
        weight_bytes = NF4_BYTES + (4.0 - NF4_BYTES) * min(1.0, kept / a.parameters)
    attention_backward = 2.0 if not plan.frozen_layers_share else 2.0 * (1 - plan.frozen_layers_share)
    return Workload(
        tokens=tokens,
        sequence_length=float(sequence_length),
        global_batch_tokens=batch,
        layers=float(a.all_layers),
        hidden_size=float(a.hidden_size),
        kv_size=float(a.kv_lora_rank + a.rope_head_size if a.kv_lora_rank else 2 * a.kv_heads * a.head_size),
        ffn_active_size=float(_active_ffn(a)),
        ffn_matrices=float(a.ffn_matrices),
        attention_heads=float(a.attention_heads),
        vocabulary_size=float(a.vocabulary_size),
        parameters=a.parameters,
        active_parameters=a.active_parameters,
        embedding_parameters=float(a.embedding_parameters + (0 if a.tied_embeddings else a.head_parameters)),
        routed_parameters=float(a.routed_parameters),
        trained_parameters=trained,
        experts=float(a.experts),
        experts_per_token=float(a.experts_per_token),
        expert_ffn_size=float(a.expert_ffn_hidden_size),
        body_flops=forward.body,
        head_flops=forward.head,
        attention_flops=forward.attention,
        gemm_backward=gemm_backward,
        attention_backward=attention_backward,
        other_forward_flops=_other_forward(plan, forward.total),
        weight_bytes=weight_bytes,
        gradient_bytes=gradient_bytes(plan),
        optimizer_bytes=OPTIMIZER_BYTES[plan.optimizer] - (4.0 if weight_bytes == 4.0 else 0.0),
        is_adapted=float(adapters),
        is_dequantised=float(plan.method == "qlora"),
        flash_attention=float(plan.flash_attention is not False),
        is_fused=float(is_fused(plan)),
        is_quantised=float(plan.precision in ("fp8", "fp4")),
        keeps_copies=float(keeps_copies(plan)),
        is_offloaded=float(plan.hardware.offload == "optimizer"),
    )


def gradient_bytes(plan: TrainingPlan) -> float:
    """Bytes of one accumulated gradient.

    Pretraining in bf16 or below accumulates in fp32 (Megatron-LM and BLOOM, arXiv:2211.05100, section
    3.4.2); fp16 with loss scaling keeps 16 bits (arXiv:1910.02054, section 3.1), as fine-tuning does.
    """
    if plan.precision in ("fp32", "tf32"):
        return 4.0
    return 4.0 if plan.method in ("pretrain", "distillation") and plan.precision != "fp16" else 2.0


def is_fused(plan: TrainingPlan) -> bool:
    """Whether elementwise work is fused into few kernels: the stack says so, or what the plan uses implies
    it.

    FP8 and FP4 need Transformer Engine, virtual pipelines come with Megatron's kernels, and a plan that
    leaves its whole division to us is given a tuned stack with it.
    """
    hw = plan.hardware
    if hw.stack is not None:
        return hw.stack.lower() in FUSED_STACKS
    return plan.precision in ("fp8", "fp4") or (hw.virtual_pipeline or 1) > 1 or not states_division(hw)


def keeps_copies(plan: TrainingPlan) -> bool:
    """Whether the optimizer's step works on copies: DeepSpeed's stages do, Megatron's distributed one does
    not.

    A plan that names its ZeRO stage, and no virtual pipeline or FP8, is taken to be the former.
    """
    hw = plan.hardware
    return (
        hw.sharding is not None and plan.precision not in ("fp8", "fp4") and (hw.virtual_pipeline or 1) == 1
    )


def _active_ffn(a: Architecture) -> float:
    """Feed-forward width that one token passes through, the mean over the layers."""
    moe = (a.experts_per_token + a.shared_experts) * a.expert_ffn_hidden_size * a.moe_layers
    return (moe + a.ffn_hidden_size * (a.layers - a.moe_layers)) / a.layers


def _other_forward(plan: TrainingPlan, forward: float) -> float:
    """FLOPs per trained token in networks that are not trained: reference, teacher, rollouts."""
    if plan.method == "dpo":
        return 0.0 if plan.cached_reference else forward
    if plan.method == "distillation":
        return 2.0 * plan.teacher_parameters if plan.teacher_parameters else forward
    if plan.method in ("ppo", "grpo"):
        # reference forward and generation; PPO adds the critic (trained: 3 passes) and the reward network
        generated = 0.5 if plan.rollout_tokens_share is None else plan.rollout_tokens_share
        return forward * (1.0 + generated + (4.0 if plan.method == "ppo" else 0.0))
    return 0.0

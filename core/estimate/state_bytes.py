"""Bytes per parameter of weights, gradients and optimizer, by regime.

ZeRO, arXiv:1910.02054, section 3.1, for mixed-precision Adam; 8-bit states arXiv:2110.02861, 4-bit ones
arXiv:2309.01507; the others follow from the number of states each keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.estimate.sparsity import frozen_bytes
from gpuledger.core.estimate.stack_memory import StackMemory
from gpuledger.core.plan import TrainingPlan

# with a 32-bit copy of the weights, 4 bytes of each; without it the states are kept in 16 bits too
OPTIMIZER_BYTES: Mapping[str, float] = {
    "adamw": 12.0,
    "adamw_8bit": 6.0,
    "adamw_4bit": 5.0,
    "lion": 8.0,
    "sgd": 8.0,
    "adafactor": 4.0,
    "muon": 8.0,
}
PURE_OPTIMIZER_BYTES: Mapping[str, float] = {
    "adamw": 4.0,
    "adamw_8bit": 2.0,
    "adamw_4bit": 1.0,
    "lion": 2.0,
    "sgd": 2.0,
    "adafactor": 0.0,
    "muon": 2.0,
}
MASTER_BYTES = 4.0
WIDE = ("fp32", "tf32")
# 4-bit NormalFloat with double quantisation: 4.127 bits, QLoRA, arXiv:2305.14314, section 3; 8 bits and one scale a
# row, LLM.int8(), arXiv:2208.07339, section 2.1
STORED_BYTES: Mapping[str, float] = {"fp16": 2.0, "nf4": 4.127 / 8, "int8": 1.0}
# what unpacking costs in each pass over what it costs with 4-bit weights; LLM.int8() quantises the inputs, multiplies
# in eight bits, multiplies the outliers in sixteen and adds them: fp16 is about twice as fast (arXiv:2208.07339,
# appendix D)
UNPACKING: Mapping[str, float] = {"fp16": 0.0, "nf4": 1.0, "int8": 2.0}


@dataclass(frozen=True, kw_only=True)
class StateBytes:
    """Bytes per parameter on the GPU, before anything is divided."""

    weights: float
    gradients: float
    """Of a trained parameter, as the next one."""
    optimizer: float
    lone_gradients: float
    """The same on a single GPU, as the next one."""
    lone_optimizer: float
    saved_when_sharded: float
    """Of weights that are kept in 32 bits and sharded, no 16-bit copy stands beside those (PyTorch FSDP)."""
    casts: float
    """16-bit copies of frozen 32-bit weights, while those are whole."""


def stored_weights(plan: TrainingPlan) -> str:
    """How frozen weights are stored: as the plan says, else in 4 bits for QLoRA and in 16 for the others."""
    return plan.weights or ("nf4" if plan.method == "qlora" else "fp16")


def unpacking_factor(plan: TrainingPlan) -> float:
    """Memory traffic of unpacking frozen weights in one pass, over that of 4-bit ones; 0 where they need none."""
    return UNPACKING[stored_weights(plan)] if plan.has_adapters else 0.0


def state_bytes(plan: TrainingPlan, a: Architecture, form: StackMemory) -> StateBytes:
    """The regime of a plan: what it states, else what its software does."""
    if plan.has_adapters:
        return _frozen(plan, a, form)
    states = plan.state_precision or form.states
    gradients, optimizer = _trained(plan, form, states)
    lone_gradients, lone_optimizer = _trained(plan, form, plan.state_precision or _lone(plan, form))
    is_wide = plan.precision in WIDE
    return StateBytes(
        weights=4.0 if is_wide else 2.0,
        gradients=gradients,
        optimizer=optimizer,
        lone_gradients=lone_gradients,
        lone_optimizer=lone_optimizer,
        saved_when_sharded=2.0 if states == "autocast" and not is_wide else 0.0,
        casts=0.0,
    )


def _lone(plan: TrainingPlan, form: StackMemory) -> str:
    """Who names the software of a fine-tuning on one GPU gets what it does there; else the textbook's states hold."""
    is_named = plan.hardware.stack is not None and plan.method not in ("pretrain", "distillation")
    return form.lone_states if is_named else form.states


def _trained(plan: TrainingPlan, form: StackMemory, states: str) -> tuple[float, float]:
    """Gradients and optimizer of a network trained whole.

    32-bit weights that are cast for every pass count as 16-bit ones with a 32-bit copy in the optimizer: the casts are
    kept as long as the weights are whole.
    """
    optimizer = OPTIMIZER_BYTES[plan.optimizer]
    if plan.precision in WIDE:
        return 4.0, optimizer - MASTER_BYTES
    if states == "pure":
        return 2.0, PURE_OPTIMIZER_BYTES[plan.optimizer]
    if states == "autocast":
        return 4.0, optimizer
    return gradient_bytes(plan, form), optimizer


def _frozen(plan: TrainingPlan, a: Architecture, form: StackMemory) -> StateBytes:
    """Frozen weights as they are stored, and adapters in mixed precision."""
    casts, stored = 0.0, stored_weights(plan)
    weights = STORED_BYTES[stored]
    if plan.precision in WIDE and stored == "fp16":
        weights = 4.0
    elif plan.state_precision == "autocast" and stored == "fp16":
        weights, casts = 4.0, 2.0
    elif stored != "fp16":
        # embeddings, output matrix and norms are not quantised
        unquantised = a.embedding_parameters + (0 if a.tied_embeddings else a.head_parameters)
        weights += (form.unquantised_bytes - weights) * min(1.0, unquantised / a.parameters)
    gradients = 4.0 if plan.precision in WIDE else 2.0
    optimizer = OPTIMIZER_BYTES[plan.optimizer] - (MASTER_BYTES if weights == 4.0 else 0.0)
    weights = frozen_bytes(plan, a, weights)
    return StateBytes(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        lone_gradients=gradients,
        lone_optimizer=optimizer,
        saved_when_sharded=0.0,
        casts=casts,
    )


def gradient_bytes(plan: TrainingPlan, form: StackMemory) -> float:
    """Bytes of one accumulated gradient beside 16-bit weights.

    Pretraining in bf16 or below accumulates in fp32 (Megatron-LM and BLOOM, arXiv:2211.05100, section 3.4.2) unless
    the recipe reduces in 16 bits (Megatron's `grad_reduce_in_fp32`); fp16 with loss scaling keeps 16 bits
    (arXiv:1910.02054, section 3.1), as fine-tuning does.
    """
    if plan.gradient_precision is not None:
        return 4.0 if plan.gradient_precision == "fp32" else 2.0
    accumulates = plan.method in ("pretrain", "distillation") and plan.precision != "fp16"
    return form.gradient_bytes if accumulates else 2.0

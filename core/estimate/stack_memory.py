"""What training software does for memory, by its name: the form of its states, activations and loss.

The columns of `sql/seeds/stack_memory.csv`, which has the stacks of `stack.csv`:

* `states`: `mixed` keeps 16-bit weights and a 32-bit copy in the optimizer (ZeRO, arXiv:1910.02054, section 3.1),
  `autocast` 32-bit weights that are cast to 16 bits for every pass (PyTorch AMP and FSDP), `pure` 16 bits of everything
  (torchtune, Lightning's `bf16-true`). `lone_states` is what it does on a single GPU.
* `gradient_bytes`: of one accumulated gradient in pretraining: 4, or 2 where recipes reduce in 16 bits.
* `optimizer_copies`: DeepSpeed's optimizers step on copies and its pipeline keeps buffers (`stage_1_and_2.py`), which
  is `always` so, or `sharded` where ZeRO is DeepSpeed's and nothing else is, as on Transformers; else `none`.
* `sequence_parallel`: `none`, `kept` where the gathered inputs are kept for the backward pass, `regathered` where they
  are gathered once more (arXiv:2205.05198, section 4.2.2).
* `extra_streams`: bytes per element of the width that a layer keeps beside the listed tensors: 32-bit norms and
  rotations.
* `loss`: how logits are held, see `gpuledger.core.estimate.activation`.
* `selective`: what selective recomputation means: the attention `core` (arXiv:2205.05198), or `alternate` products
  (TorchTitan, arXiv:2410.06511, section 2.1).
* `unquantised_bytes`: of a weight that quantisation leaves alone: PEFT casts embeddings and norms to 32 bits.
* `offload`: what it moves to the host's memory unless told otherwise.
* `loads_whole`: every process holds the whole network before it is sharded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from gpuledger.core import seeds
from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.estimate.sparsity import frozen_bytes
from gpuledger.core.estimate.stack import longest_name
from gpuledger.core.plan import Loss, StatePrecision, TrainingPlan

SequenceParallel = Literal["none", "kept", "regathered"]


@dataclass(frozen=True, kw_only=True)
class StackMemory:
    """One software's memory columns."""

    states: StatePrecision
    lone_states: StatePrecision
    gradient_bytes: float
    optimizer_copies: Literal["none", "sharded", "always"]
    sequence_parallel: SequenceParallel
    extra_streams: float
    loss: Loss
    selective: Literal["core", "alternate"]
    unquantised_bytes: float
    offload: tuple[str, ...]
    loads_whole: bool


@lru_cache(maxsize=1)
def memory_forms() -> Mapping[str, StackMemory]:
    """The form of every known software, by its name in the seed."""
    return {
        row["stack"]: StackMemory(
            states=cast(StatePrecision, row["states"]),
            lone_states=cast(StatePrecision, row["lone_states"]),
            gradient_bytes=float(row["gradient_bytes"]),
            optimizer_copies=cast(Literal["none", "sharded", "always"], row["optimizer_copies"]),
            sequence_parallel=cast(SequenceParallel, row["sequence_parallel"]),
            extra_streams=float(row["extra_streams"]),
            loss=cast(Loss, row["loss"]),
            selective=cast(Literal["core", "alternate"], row["selective"]),
            unquantised_bytes=float(row["unquantised_bytes"]),
            offload=tuple(row["offload"].split()),
            loads_whole=row["loads_whole"] == "true",
        )
        for row in seeds.rows("stack_memory")
    }


def memory_form(plan: TrainingPlan) -> StackMemory:
    """The form of the software that a plan names, or of the usual one for what it does.

    Adapters are trained with PEFT, other fine-tuning with Transformers; pretraining, and whatever is divided by tensor
    or pipeline parallelism or uses eight bits, with Megatron.
    """
    return memory_forms()[_named_form(plan.hardware.stack) or _usual(plan)]


@lru_cache(maxsize=256)
def _named_form(stack: str | None) -> str | None:
    return longest_name(stack, memory_forms())


def offloaded(plan: TrainingPlan) -> tuple[str, ...]:
    """What lives in the host's memory: as the plan says, else as its software does unasked."""
    stated = plan.hardware.offload
    return memory_form(plan).offload if stated is None else stated


def keeps_copies(plan: TrainingPlan) -> bool:
    """Whether DeepSpeed steps on copies: where it or a stack whose ZeRO it is is named. Adapters have small ones."""
    copies = memory_form(plan).optimizer_copies
    is_pretraining = plan.method in ("pretrain", "distillation")
    is_theirs = plan.hardware.stack is not None or not is_pretraining
    return copies != "none" and is_theirs and not plan.has_adapters


def sequence_parallel(plan: TrainingPlan) -> SequenceParallel:
    """What becomes of gathered inputs: as the plan says, else as its software does."""
    usual, stated = memory_form(plan).sequence_parallel, plan.hardware.sequence_parallel
    if stated is None:
        return usual
    if not stated:
        return "none"
    return "regathered" if usual == "none" else usual


def _usual(plan: TrainingPlan) -> str:
    hw = plan.hardware
    degrees = (hw.tensor_parallel, hw.pipeline_parallel, hw.context_parallel, hw.expert_parallel)
    divides = any((degree or 1) > 1 for degree in degrees) or plan.precision in ("fp8", "fp4")
    if plan.has_adapters:
        return "peft"
    if divides or plan.method in ("pretrain", "distillation"):
        return "megatron"
    return "transformers"


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

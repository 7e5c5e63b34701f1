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
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from gpuledger.core import seeds
from gpuledger.core.estimate.stack import longest_name
from gpuledger.core.plan import TrainingPlan

States = Literal["mixed", "autocast", "pure"]
SequenceParallel = Literal["none", "kept", "regathered"]
Loss = Literal["plain", "parallel", "fused", "chunked", "cut"]


@dataclass(frozen=True, kw_only=True)
class StackMemory:
    """One software's memory columns."""

    states: States
    lone_states: States
    gradient_bytes: float
    optimizer_copies: Literal["none", "sharded", "always"]
    sequence_parallel: SequenceParallel
    extra_streams: float
    loss: Loss
    selective: Literal["core", "alternate"]
    unquantised_bytes: float
    offload: tuple[str, ...]


@lru_cache(maxsize=1)
def memory_forms() -> Mapping[str, StackMemory]:
    """The form of every known software, by its name in the seed."""
    return {
        row["stack"]: StackMemory(
            states=cast(States, row["states"]),
            lone_states=cast(States, row["lone_states"]),
            gradient_bytes=float(row["gradient_bytes"]),
            optimizer_copies=cast(Literal["none", "sharded", "always"], row["optimizer_copies"]),
            sequence_parallel=cast(SequenceParallel, row["sequence_parallel"]),
            extra_streams=float(row["extra_streams"]),
            loss=cast(Loss, row["loss"]),
            selective=cast(Literal["core", "alternate"], row["selective"]),
            unquantised_bytes=float(row["unquantised_bytes"]),
            offload=tuple(row["offload"].split()),
        )
        for row in seeds.rows("stack_memory")
    }


def memory_form(plan: TrainingPlan) -> StackMemory:
    """The form of the software that a plan names, or of the usual one for what it does.

    Adapters are trained with PEFT, other fine-tuning with Transformers; pretraining, and whatever is divided by tensor
    or pipeline parallelism or uses eight bits, with Megatron.
    """
    return memory_forms()[longest_name(plan.hardware.stack, memory_forms()) or _usual(plan)]


def offloaded(plan: TrainingPlan) -> tuple[str, ...]:
    """What lives in the host's memory: as the plan says, else as its software does unasked."""
    stated = plan.hardware.offload
    return memory_form(plan).offload if stated is None else stated


def keeps_copies(plan: TrainingPlan) -> bool:
    """Whether DeepSpeed steps on copies: where it or a stack whose ZeRO it is is named. Adapters have small ones."""
    copies = memory_form(plan).optimizer_copies
    return copies != "none" and plan.hardware.stack is not None and not plan.has_adapters


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

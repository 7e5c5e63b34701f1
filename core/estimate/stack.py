"""What training software does for speed, by its name.

Three levels of kernels: `eager` runs every small operation by itself, as networks written for inference do;
`plain` fuses the common ones and computes attention blockwise; `tuned` also overlaps the traffic of tensor and
expert parallelism with multiplies and reduces gradients in 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from gpuledger.core import seeds
from gpuledger.core.estimate.layout import states_division
from gpuledger.core.plan import TrainingPlan

Kernels = Literal["eager", "plain", "tuned"]


@dataclass(frozen=True)
class Stack:
    """One software. `broadcasts_shares`: with ZeRO-1 every GPU sends its updated share in turn, not all at once."""

    kernels: Kernels
    broadcasts_shares: bool = False


@lru_cache(maxsize=1)
def stacks() -> Mapping[str, Stack]:
    """Every known software by what its name begins with, spaces, dots and hyphens aside."""
    return {
        row["stack"]: Stack(cast(Kernels, row["kernels"]), row["broadcasts_shares"] == "true")
        for row in seeds.rows("stack")
    }


def named_stack(name: str | None) -> Stack | None:
    """The software of the longest name that fits; `None` where no name is given or it is not known."""
    letters = "".join(filter(str.isalnum, (name or "").lower()))
    fitting = [prefix for prefix in stacks() if letters.startswith(prefix)]
    return stacks()[max(fitting, key=len)] if fitting else None


def stack_of(plan: TrainingPlan) -> Stack:
    """The software that the plan names, or that what it uses implies.

    FP8 and FP4 need Transformer Engine, virtual pipelines and expert parallelism come with kernels made for them,
    and a plan that leaves its whole division to us is given a tuned stack with it; but adapters, which are mostly
    trained with PEFT, a plain one.
    """
    named, hw = named_stack(plan.hardware.stack), plan.hardware
    if named is not None:
        return named
    needs_kernels = (hw.virtual_pipeline or 1) > 1 or (hw.expert_parallel or 1) > 1
    is_open = not states_division(hw) and plan.method not in ("lora", "qlora")
    is_tuned = plan.precision in ("fp8", "fp4") or needs_kernels or is_open
    return Stack("tuned" if is_tuned else "plain")

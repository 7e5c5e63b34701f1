"""What training software does for speed, by its name.

Three levels of kernels: `eager` runs every small operation by itself, as networks written for inference do;
`plain` fuses the common ones and computes attention blockwise; `tuned` also overlaps the traffic of tensor and
expert parallelism with multiplies and reduces gradients in 16 bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, cast

from gpuledger.core import seeds
from gpuledger.core.plan import Team, TrainingPlan, model_rows

Kernels = Literal["eager", "plain", "tuned"]

# where neither plan nor stack says: pretraining on so many GPUs has plain kernels, on so many tuned ones, and between
# them a part of both, so that no one GPU more decides; a plan that leaves the count open is compared over counts with
# the same kernels, which then follow the size of the network in the same way
PLAIN_UP_TO_GPUS, TUNED_FROM_GPUS = 256, 1024
PLAIN_UP_TO_PARAMETERS, TUNED_FROM_PARAMETERS = 1e10, 1e11
FINETUNING = ("full_finetune", "lora", "qlora", "dpo")
# small networks are fine-tuned with transformers as it comes, without recomputation: torchtune recomputes 3B and 8B,
# Qwen (README, profiling) 1.8B, but neither torchtune 0.5B and 1.2B nor transformers BERT
SMALL_BELOW_PARAMETERS = 1.5e9
ONLINE = ("ppo", "grpo")


@dataclass(frozen=True)
class Stack:
    """One software, by what it does for speed."""

    kernels: Kernels
    broadcasts_shares: bool = False
    """With ZeRO-1 every GPU sends its updated share in turn, not all at once."""
    overlaps_traffic: bool = True
    """Tensor-parallel traffic and gradients travel beside multiplies."""
    flash_attention: bool = True
    """False before FlashAttention (arXiv:2205.14135): scores pass through memory."""
    hides_routing: bool = False
    """The traffic of experts runs beside the work of another micro-batch."""
    fused_routing: float = 0.0
    """Share of the routing of experts that runs in graphs and fused kernels; of a name without its release a mean."""
    divides: Literal["data", "all"] = "all"
    """What its recipes divide: the data alone, with or without ZeRO, or the network too."""
    shards: bool = False
    """Its recipes shard weights, gradients and states (FSDP's FULL_SHARD, which is ZeRO-3) whatever the size."""
    interleaves: bool = True
    """Whether a pipeline may have several stages on a GPU."""
    checkpoints: Literal["never", "finetuning", "always"] = "never"
    """Recipes recompute activations and take few sequences a pass: of fine-tuning, or of reinforcement learning too."""
    between: float = 0.0
    """Of plain kernels: how far on the way to tuned ones."""

    @property
    def tuned_share(self) -> float:
        """1 of tuned kernels, 0 of plain and eager ones."""
        return 1.0 if self.kernels == "tuned" else self.between


# most adapters are trained with PEFT, small networks with transformers, large ones whole with FSDP or ZeRO and fused
# kernels
UNNAMED_ADAPTERS = Stack("eager", divides="data", interleaves=False, checkpoints="finetuning")
UNNAMED_FINETUNING = Stack("plain", divides="data", interleaves=False, checkpoints="finetuning")
# ... and so does reinforcement learning beside an inference engine (verl, OpenRLHF and TRL, examples)
UNNAMED_ONLINE = Stack("plain", divides="data", interleaves=False, checkpoints="always")

# who pretrains so large a mixture hides the traffic of its experts (DeepSeek-V3, arXiv:2412.19437, section 3.2;
# Megatron-Core, `--overlap-moe-expert-parallel-comm`)
LARGE_MIXTURE = Stack("tuned", hides_routing=True)


@lru_cache(maxsize=1)
def stacks() -> Mapping[str, Stack]:
    """Every known software by what its name begins with, spaces, dots and hyphens aside."""
    return {
        row["stack"]: Stack(
            kernels=cast(Kernels, row["kernels"]),
            broadcasts_shares=row["broadcasts_shares"] == "true",
            overlaps_traffic=row["overlaps_traffic"] == "true",
            hides_routing=row["hides_routing"] == "true",
            flash_attention=row["flash_attention"] == "true",
            fused_routing=float(row["fused_routing"]),
            divides=cast(Literal["data", "all"], row["divides"]),
            shards=row["shards"] == "true",
            interleaves=row["interleaves"] == "true",
            checkpoints=cast(Literal["never", "finetuning", "always"], row["checkpoints"]),
        )
        for row in seeds.rows("stack")
    }


@lru_cache(maxsize=256)
def named_stack(name: str | None) -> Stack | None:
    """The software of the longest name that fits; `None` where no name is given or it is not known."""
    longest = longest_name(name, stacks())
    return None if longest is None else stacks()[longest]


def longest_name(name: str | None, names: Iterable[str]) -> str | None:
    """Of some names the longest that `name` begins with, spaces, dots and hyphens aside."""
    letters = "".join(filter(str.isalnum, (name or "").lower()))
    return max((prefix for prefix in names if letters.startswith(prefix)), key=len, default=None)


def team_of(plan: TrainingPlan) -> Team:
    """Who runs the plan: as it says, else people who tune it where it names a tuned stack or pretrains a mixture of
    experts so large that nobody else does, else the usual ones.
    """
    if plan.team is not None:
        return plan.team
    named = named_stack(plan.hardware.stack)
    if named is None:
        return "tuned" if is_large_mixture(plan) else "typical"
    return "tuned" if named.kernels == "tuned" else "typical"


def is_open(plan: TrainingPlan) -> bool:
    """Whether neither a division nor a known stack is said, nor that a tuned team runs it."""
    return (
        not plan.hardware.states_division
        and named_stack(plan.hardware.stack) is None
        and plan.team != "tuned"
    )


def loses_by_choice(plan: TrainingPlan) -> float:
    """How much of the usual loss people have who run less than the best division: an open plan, of a job that is not so
    large as to be tuned, nor of adapters in fewer bits than 16, which vendors' recipes alone train.
    """
    if not is_open(plan) or is_large_mixture(plan) or (plan.has_adapters and needs_tuned_kernels(plan)):
        return 0.0
    return 1.0 if needs_tuned_kernels(plan) else 1.0 - stack_of(plan).tuned_share


def stack_of(plan: TrainingPlan) -> Stack:
    """The software that the plan names, or that what it uses implies.

    FP8 and FP4 need Transformer Engine; expert parallelism, virtual pipelines, and tensor with pipeline parallelism
    come with kernels made for them. Fine-tuning without any of that follows recipes, on plain kernels, adapters and
    small networks on eager ones. Pretraining has tuned kernels with a team that tunes, and on many GPUs unless the plan
    states its division.
    """
    named = named_stack(plan.hardware.stack)
    if named is not None:
        return named
    if is_large_mixture(plan):
        return LARGE_MIXTURE
    if needs_tuned_kernels(plan):
        return Stack("tuned")
    if plan.method in FINETUNING:
        return UNNAMED_ADAPTERS if plan.has_adapters or is_small(plan) else UNNAMED_FINETUNING
    if plan.method in ONLINE:
        return UNNAMED_ONLINE
    if plan.team == "typical":
        return Stack("plain")
    if plan.team == "tuned":
        return Stack("tuned")
    share = 0.0 if plan.hardware.states_division else _share_by_size(plan)
    return Stack("tuned") if share >= 1.0 else Stack("plain", between=share)


def _share_by_size(plan: TrainingPlan) -> float:
    """How far the kernels of a job are tuned: by its experts, its GPUs, or where those are open by its network."""
    if has_experts(plan):
        return 1.0
    size, low, high = float(plan.hardware.gpus or 0), float(PLAIN_UP_TO_GPUS), float(TUNED_FROM_GPUS)
    if not size:
        size, low, high = _total_parameters(plan) or 1.0, PLAIN_UP_TO_PARAMETERS, TUNED_FROM_PARAMETERS
    return min(max(math.log(size / low) / math.log(high / low), 0.0), 1.0)


def has_experts(plan: TrainingPlan) -> bool:
    """Whether the network is a mixture of experts: nobody pretrains one without software made for that."""
    row = model_rows().get(plan.model or "", {})
    return (plan.architecture.experts or int(float(row.get("experts") or 0))) > 1


def is_large_mixture(plan: TrainingPlan) -> bool:
    """Whether the plan pretrains a mixture of experts of 100 billion parameters and more."""
    is_pretraining = plan.method in ("pretrain", "distillation")
    return is_pretraining and has_experts(plan) and _total_parameters(plan) >= TUNED_FROM_PARAMETERS


def _total_parameters(plan: TrainingPlan) -> float:
    row, stated = model_rows().get(plan.model or "", {}), plan.architecture
    published = float(row.get("published_parameters") or 0.0)
    return stated.parameters or plan.parameters or published


def needs_tuned_kernels(plan: TrainingPlan) -> bool:
    """Whether what the plan uses is found in tuned stacks alone."""
    hw = plan.hardware
    special = (hw.virtual_pipeline or 1) > 1 or (hw.expert_parallel or 1) > 1
    large = (hw.tensor_parallel or 1) > 1 and (hw.pipeline_parallel or 1) > 1
    return plan.precision in ("fp8", "fp4") or special or large


def is_small(plan: TrainingPlan) -> bool:
    """Whether the network is so small that recipes of fine-tuning save no memory. A shape without its count is taken
    as twelve times the square of its width per layer, and never as small where it has experts.
    """
    shape = plan.architecture
    square = float(shape.hidden_size or 0) ** 2
    counted = 0.0 if has_experts(plan) else 12.0 * (shape.layers or 0) * square
    return 0.0 < (_total_parameters(plan) or counted) < SMALL_BELOW_PARAMETERS


def is_checkpointed(plan: TrainingPlan) -> bool:
    """Whether a plan that does not say recomputes all activations."""
    recipes = stack_of(plan).checkpoints
    if plan.method in ONLINE:
        return recipes == "always"
    # TRL, with which preferences are trained, checkpoints whatever the size (trl/scripts/dpo.py: 0.5B)
    whatever_size = recipes == "always" or plan.method == "dpo"
    return _follows_recipes(plan) and (whatever_size or not is_small(plan))


class RecipePass(NamedTuple):
    """What recipes of fine-tuning take in one pass on one GPU."""

    most_tokens: float
    most_sequences: float
    least_tokens: float
    """Of more sequences, where those are shorter than anybody has in mind."""

    def sequences(self, length: float) -> float:
        """Sequences of that many tokens."""
        return max(min(self.most_tokens, max(self.most_sequences * length, self.least_tokens)) / length, 1.0)


# one sequence of some thousand tokens, two of shorter ones: examples of axolotl, torchtune, Unsloth and Qwen; four of
# a hundred or two (alpaca-lora, finetune.py)
USUAL_PASS = RecipePass(1_024.0, 2.0, 512.0)
# small networks get several or many short ones: 32 of 128 tokens and 12 of 384 (transformers, run_glue.py and
# run_qa.py), four or more of 1,024 (torchtune's 1.2B; two pairs of TRL's dpo.py)
SMALL_PASS = RecipePass(4_096.0, 32.0, 2_048.0)


def recipe_pass(plan: TrainingPlan) -> RecipePass | None:
    """What a plan takes in one pass that does not say; `None` where as much as fits is usual."""
    if _follows_recipes(plan):
        return SMALL_PASS if is_small(plan) else USUAL_PASS
    return USUAL_PASS if is_checkpointed(plan) else None


def _follows_recipes(plan: TrainingPlan) -> bool:
    return plan.method in FINETUNING and stack_of(plan).checkpoints != "never"

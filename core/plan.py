"""Training plans: every key a plan may hold, and the one door through which text becomes a plan.

A plan says what is to be trained (method, architecture, tokens), optionally on what (`[hardware]`), within which
limits (`[constraints]`) and which other money counts (`[costs]`): docs/plans.md. Nothing is computed here.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, cast

from pydantic import ValidationError, field_validator, model_validator

from gpuledger.core import seeds
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.huggingface.model_types import MODEL_TYPES
from gpuledger.core.huggingface.reader import architecture_from_config, is_config
from gpuledger.core.model_name import nearest_models, preset_named
from gpuledger.core.plan_refusal import as_plan_error, suggestion
from gpuledger.core.plan_sections import (
    ArchitectureKeys,
    Constraints,
    Costs,
    Count,
    HoursRange,
    NumberOrZero,
    PlanCredit,
    PositiveNumber,
    PositiveShare,
    Section,
    Share,
)
from gpuledger.core.plan_words import canonical

Method = Literal["pretrain", "full_finetune", "lora", "qlora", "dpo", "distillation", "ppo", "grpo"]
ADAPTABLE = ("lora", "qlora", "dpo", "ppo", "grpo")
"""Methods that train adapters: the first two always, the others where the plan gives `lora_rank`."""
Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "fp4"]
Optimizer = Literal["adamw", "adamw_8bit", "adamw_4bit", "lion", "sgd", "adafactor", "muon"]
Team = Literal["tuned", "typical"]
Loss = Literal["plain", "parallel", "fused", "chunked", "cut"]
StatePrecision = Literal["mixed", "autocast", "pure"]
Recomputation = Literal["none", "selective", "full", "auto"]
Sharding = Literal["none", "zero1", "zero2", "zero3"]
Offloaded = Literal["optimizer", "parameters", "activations"]


MOST_OF_NAME = 200


class Hardware(Section):
    """`[hardware]`: all optional; what is left out is searched for."""

    gpu: str | None = None
    gpus: Count | None = None
    gpus_per_node: Count | None = None
    micro_batch_size: Count | None = None
    """Sequences per GPU and forward pass."""
    tensor_parallel: Count | None = None
    pipeline_parallel: Count | None = None
    virtual_pipeline: Count | None = None
    context_parallel: Count | None = None
    expert_parallel: Count | None = None
    sharding: Sharding | None = None
    sharding_gpus: Count | None = None
    """GPUs that hold one copy of what is sharded; more of them hold further copies (HSDP)."""
    stack: str | None = None
    mfu: PositiveShare | None = None
    sequence_parallel: bool | None = None
    """Norms and residual sums are divided over the tensor-parallel group too."""
    offload: tuple[Offloaded, ...] | None = None
    """What lives in the host's memory; `none` is an empty list."""
    rollout_engine: Literal["colocated", "separate"] | None = None
    """PPO and GRPO: the engine that writes rollouts runs on the same GPUs, or on others."""
    network_gbit_per_second: PositiveNumber | None = None
    """Network rate of one GPU to other nodes, one direction."""
    storage_gb_per_second: PositiveNumber | None = None
    """What the storage of the training data gives the whole job."""
    data_gbit_per_second: PositiveNumber | None = None
    """Network rate of one node to that storage."""
    gpu_hours: HoursRange | None = None
    wall_hours: HoursRange | None = None

    @property
    def states_division(self) -> bool:
        """Whether any part of how the job is divided is fixed."""
        return any(
            degree is not None
            for degree in (
                self.tensor_parallel,
                self.pipeline_parallel,
                self.context_parallel,
                self.expert_parallel,
                self.sharding,
            )
        )

    @field_validator("offload", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return () if value == "none" else (value,) if isinstance(value, str) else value

    @field_validator("gpu", mode="before")
    @classmethod
    def _named_by_number(cls, value: object) -> object:
        # 4090 in TOML is a number, and the name of a card
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class TrainingPlan(Section):
    """A whole plan. Sizes and tokens are counts (tokens as floats: 2.0e12), money is `Decimal`."""

    name: str = "plan"
    team: Team | None = None
    """Who runs it: people who tune software and operation, or the usual ones."""
    method: Method = "pretrain"
    model: str | None = None
    model_basis: str | None = None
    """Under which name the network was asked for; said as an assumption."""
    parameters: PositiveNumber | None = None
    training_tokens: PositiveNumber | None = None
    dataset_tokens: PositiveNumber | None = None
    epochs: PositiveNumber | None = None
    samples: PositiveNumber | None = None
    """Of the data set; `dataset_tokens` is this times `tokens_per_sample`."""
    tokens_per_sample: PositiveNumber | None = None
    data_bytes_per_token: PositiveNumber | None = None
    """Bytes that are read for each trained token: ids, text, or the images behind them."""
    data_basis: str | None = None
    """How a data set was counted; said as an assumption."""
    sequence_length: Count | None = None
    global_batch_tokens: PositiveNumber | None = None
    precision: Precision = "bf16"
    optimizer: Optimizer = "adamw"
    activation_recomputation: Recomputation = "auto"
    lora_rank: Count | None = None
    lora_targets: Literal["query_value", "attention", "all_linear"] | None = None
    frozen_layers_share: Share | None = None
    """Share of the lower layers that is not trained."""
    weights: Literal["fp16", "int8", "nf4"] | None = None
    """How frozen weights are stored beside adapters: 16 bits (`fp16`, also for bf16), LLM.int8(), 4-bit NormalFloat."""
    weight_sparsity: Literal["2:4"] | None = None
    """Two zeros in every four weights of the feed-forward, which the GPU's units skip."""
    loss: Loss | None = None
    """How logits are held; `gpuledger.core.estimate.activation` says what each means."""
    state_precision: StatePrecision | None = None
    """16-bit weights with a 32-bit copy, 32-bit weights under autocast, or 16 bits throughout."""
    gradient_precision: Literal["fp32", "16bit"] | None = None
    """In which gradients are accumulated and reduced."""
    optimizer_in_backward: bool | None = None
    """Each gradient is applied as soon as it is there, and freed."""
    flash_attention: bool | None = None
    cached_reference: bool | None = None
    """DPO with log-probabilities of the reference computed once beforehand."""
    teacher_parameters: PositiveNumber | None = None
    reward_parameters: PositiveNumber | None = None
    critic_parameters: PositiveNumber | None = None
    """PPO: of the critic, and of the reward network unless that is given."""
    evaluation_tokens_share: NumberOrZero | None = None
    """Tokens evaluated, forward only, per trained token."""
    rollout_tokens_share: Share | None = None
    """PPO and GRPO: share of the trained tokens that the policy generates; the rest is prompt."""
    architecture: ArchitectureKeys = ArchitectureKeys()
    hardware: Hardware = Hardware()
    constraints: Constraints = Constraints()
    costs: Costs = Costs()
    credit: tuple[PlanCredit, ...] = ()
    """Money that one provider lets one spend."""

    @property
    def is_quoted(self) -> bool:
        """Hours are given, so nothing about time is computed."""
        return self.hardware.gpu_hours is not None or self.hardware.wall_hours is not None

    @property
    def has_adapters(self) -> bool:
        """Whether low-rank adapters are trained and the network is frozen; DPO, PPO and GRPO do so with `lora_rank`."""
        return self.method in ("lora", "qlora") or self.lora_rank is not None

    @property
    def total_tokens(self) -> float | None:
        """Tokens passed through the network: `training_tokens`, or the data set times its epochs."""
        if self.training_tokens is not None:
            return self.training_tokens
        if self.dataset_tokens is not None:
            return self.dataset_tokens * (self.epochs or 1.0)
        return None

    @model_validator(mode="after")
    def _one_count_of_tokens(self) -> TrainingPlan:
        if self.training_tokens is not None and self.dataset_tokens is not None:
            product = self.dataset_tokens * (self.epochs or 1.0)
            if abs(product / self.training_tokens - 1.0) > 0.01:
                raise ValueError(
                    f"training_tokens {self.training_tokens:g} is not dataset_tokens x epochs {product:g}"
                )
        if self.epochs is not None and self.dataset_tokens is None and self.training_tokens is None:
            raise ValueError(f"epochs {self.epochs:g} needs dataset_tokens")
        return self

    @field_validator("name", mode="before")
    @classmethod
    def _in_one_line(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        text = " ".join("".join(one if one.isprintable() else " " for one in value).split())
        if len(text) > MOST_OF_NAME:
            raise ValueError(f"{len(text)} characters; {MOST_OF_NAME} at most")
        return text or "plan"

    @model_validator(mode="after")
    def _adapters(self) -> TrainingPlan:
        if self.lora_rank is not None and self.method not in ADAPTABLE:
            raise ValueError(f"lora_rank {self.lora_rank} has no meaning for method {self.method!r}")
        if self.weights is not None and not self.has_adapters:
            raise ValueError(
                f"weights {self.weights!r} says how frozen weights are stored; method {self.method!r} trains them: "
                "take lora or qlora, or give lora_rank"
            )
        if self.weight_sparsity is not None and (self.weights or "fp16") != "fp16":
            raise ValueError("weight_sparsity '2:4' has no kernels for 8-bit or 4-bit weights")
        if self.weight_sparsity is not None and self.method == "qlora":
            raise ValueError("weight_sparsity '2:4' has no kernels for 4-bit weights: take method 'lora'")
        if self.weights == "fp16" and self.method == "qlora":
            raise ValueError("weights 'fp16' is not quantised: take method 'lora'")
        return self


MOST_CHARACTERS = 65_536
MOST_DOTS = 64
"""In one line of TOML. The parser of Python 3.11 to 3.14 takes time that grows with the square of a key's dots: 4 s
for a key of 40 kB."""


def read_plan(text: str, *, syntax: Literal["toml", "json"]) -> TrainingPlan:
    """The plan written in `text`.

    Raises:
        InvalidPlanError: the text is not of that syntax, or a key is unknown, missing or out of bounds.
    """
    return plan_from_mapping(read_keys(text, syntax=syntax))


def read_keys(text: str, *, syntax: Literal["toml", "json"]) -> Any:
    """The keys written in `text`, unchecked.

    Raises:
        InvalidPlanError: the text is not of that syntax, or larger or deeper than any plan.
    """
    check_length(text)
    if syntax == "toml" and any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise InvalidPlanError(
            "syntax", f"a line of more than {MOST_DOTS} dots; a plan has tables of one level"
        )
    try:
        return tomllib.loads(text) if syntax == "toml" else json.loads(text)
    except ValueError as error:  # of numbers with thousands of digits too
        raise InvalidPlanError("syntax", f"not {syntax}: {str(error)[:200]}") from error
    except RecursionError as error:
        raise InvalidPlanError("syntax", f"not {syntax}: nested too deeply") from error


def check_length(text: str) -> None:
    """That a plan's text is no longer than any plan.

    Raises:
        InvalidPlanError: it is.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidPlanError("plan", f"{len(text):,} characters; a plan has at most {MOST_CHARACTERS:,}")


def plan_from_mapping(mapping: object) -> TrainingPlan:
    """The plan that `mapping` holds; a Hugging Face `config.json` becomes a pretraining plan of its network.

    Raises:
        InvalidPlanError: a key is unknown, missing or out of bounds; names it and the value seen.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidPlanError("plan", f"must be a table of keys, got {type(mapping).__name__}")
    keys = {str(key): value for key, value in cast(Mapping[object, Any], mapping).items()}
    if is_config(keys):
        keys = architecture_from_config(keys)
    try:
        keys = canonical(keys, model_rows(), TrainingPlan)
        plan = TrainingPlan.model_validate(keys)
    except ValidationError as error:
        raise as_plan_error(error, TrainingPlan) from error
    if not (plan.model or plan.parameters or plan.architecture.parameters or plan.architecture.layers):
        if plan.is_quoted:
            return plan
        raise InvalidPlanError(
            "model", "nothing says what is trained: give model, parameters or [architecture]"
        )
    return plan


@lru_cache(maxsize=1)
def model_rows() -> Mapping[str, Mapping[str, str]]:
    """Preset architectures by name, as the reviewed seed `sql/seeds/model.csv` has them."""
    return {row["model"]: row for row in seeds.rows("model")}


@lru_cache(maxsize=256)
def preset_architecture(model: str) -> ArchitectureKeys:
    """The shape of a preset, without its published parameter count: that is computed.

    Raises:
        InvalidPlanError: no preset of that name; suggests the nearest.
    """
    rows = model_rows()
    if model not in rows:
        raise InvalidPlanError("model", f"no preset {model!r}{suggestion(model, rows)}")
    fields = ArchitectureKeys.model_fields.keys() - {"parameters", "active_parameters"}
    shape = {
        key: json.loads(text) for key, text in rows[model].items() if key in fields and text and key != "bias"
    }
    kind = MODEL_TYPES.get(rows[model]["family"].replace("-", "_"))
    if kind is not None and not kind.embedding_is_active:
        shape["embedding_is_active"] = False
    return ArchitectureKeys.model_validate({**shape, "bias": rows[model]["bias"] or None})


FINETUNE_METHODS: tuple[Method, ...] = ("full_finetune", "lora", "qlora", "dpo")


def presets() -> tuple[str, ...]:
    """Names that `preset_plan` knows: each architecture, and each fine-tuning method on the popular ones."""
    rows = model_rows()
    popular = [name for name, row in rows.items() if row["is_example"] == "true"]
    return (*rows, *(f"{name}-{method}" for name in popular for method in FINETUNE_METHODS))


def preset_parts(name: str) -> tuple[str, Method | None] | None:
    """The network and the fine-tuning method that a preset's name means; `None` where it means none."""
    rows = model_rows()
    if name in rows:
        return name, None
    folded = name.strip().lower().replace("_", "-").replace(" ", "-")
    for method in FINETUNE_METHODS:
        ending = f"-{method.replace('_', '-')}"
        model = preset_named(folded.removesuffix(ending), rows) if folded.endswith(ending) else None
        if model is not None:
            return model, method
    model = preset_named(name, rows)
    return None if model is None else (model, None)


def preset_plan(name: str) -> TrainingPlan:
    """A sensible plan of that name: `llama-2-7b` pretrains it, `llama-2-7b-qlora` adapts it.

    Raises:
        InvalidPlanError: unknown name; suggests the nearest.
    """
    rows = model_rows()
    parts = preset_parts(name)
    if parts is None:
        near = ", ".join(nearest_models(name, dict.fromkeys(presets())))
        hint = (
            f"did you mean {near}?"
            if near
            else "`gpuledger presets` lists all; or name a .toml or .json file"
        )
        raise InvalidPlanError("model", f"no preset {name[:80]!r}; {hint}")
    model, method = parts
    name = f"{model}-{method}" if method else model
    row = rows[model]
    sequence_length = int(row["sequence_length"])
    if method is None:
        return TrainingPlan(
            name=name,
            method="pretrain",
            model=model,
            training_tokens=float(row["training_tokens"]) if row["training_tokens"] else None,
            sequence_length=sequence_length,
            global_batch_tokens=float(row["global_batch_tokens"]) if row["global_batch_tokens"] else None,
        )
    # 50 million tokens a pass and 64 sequences a step: the size of the usual instruction data sets
    return TrainingPlan(
        name=name,
        model=model,
        method=method,
        dataset_tokens=5.0e7,
        epochs=3.0,
        sequence_length=min(sequence_length, 2048),
        global_batch_tokens=64.0 * min(sequence_length, 2048),
        lora_rank=16 if method in ("lora", "qlora") else None,
    )

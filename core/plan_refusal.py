"""Why the keys of a plan are refused: one line that says what was seen, what is allowed, what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from pydantic import BaseModel, ValidationError

from gpuledger.core.errors import InvalidPlanError

OTHER_KEYS = {
    **dict.fromkeys(("num_train_epochs", "num_epochs", "n_epochs"), "epochs"),
    **dict.fromkeys(("max_seq_length", "max_seq_len", "max_length", "seq_len", "cutoff_len"), "sequence_length"),
    **dict.fromkeys(("per_device_train_batch_size", "micro_batch"), "hardware.micro_batch_size"),
    **dict.fromkeys(("batch_size", "global_batch_size"), "global_batch_tokens (tokens, not sequences)"),
    **dict.fromkeys(("r", "lora_r", "rank", "peft_rank"), "lora_rank"),
    **dict.fromkeys(("target_modules", "lora_target_modules"), "lora_targets"),
    **dict.fromkeys(("gradient_checkpointing", "activation_checkpointing"), "activation_recomputation"),
    **dict.fromkeys(("num_gpus", "n_gpus", "gpu_count", "world_size"), "hardware.gpus"),
    **dict.fromkeys(("framework", "software", "engine"), "hardware.stack"),
    **dict.fromkeys(("optim", "optimiser"), "optimizer"),
    **dict.fromkeys(("dtype", "torch_dtype", "mixed_precision"), "precision"),
    **dict.fromkeys(("model_name", "model_id", "base_model", "model_name_or_path", "model_type"), "model"),
    **dict.fromkeys(("dataset", "data_path", "train_file", "dataset_path"), "data (a file beside the plan)"),
    **dict.fromkeys(("num_samples", "n_samples", "examples"), "samples"),
    **dict.fromkeys(("budget", "max_cost", "max_usd"), "constraints.budget_usd"),
    **dict.fromkeys(("deadline", "max_hours"), "constraints.deadline_hours"),
    **dict.fromkeys(("region", "provider", "tier"), "constraints, in the plural"),
    **dict.fromkeys(("tp", "tensor_model_parallel_size"), "hardware.tensor_parallel"),
    **dict.fromkeys(("pp", "pipeline_model_parallel_size"), "hardware.pipeline_parallel"),
}  # fmt: skip
"""Keys of other programs (arguments of transformers, TRL, PEFT, axolotl and Megatron-LM, read 2026-11)."""
WITHOUT_COST = ("learning_rate", "lr", "lora_alpha", "lora_dropout", "warmup_steps", "warmup_ratio", "weight_decay",
                "seed", "lr_scheduler_type", "scheduler", "temperature", "output_dir", "logging_steps",
                "use_rslora", "packing")  # fmt: skip
"""Settings that change neither hours nor dollars."""
CONFIG_KEYS = ("num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size", "vocab_size", "d_model",
               "n_layer", "n_embd", "architectures", "max_position_embeddings")  # fmt: skip
_KINDS = {
    "tuple_type": 'must be a list, as in ["eu", "us"]',
    "list_type": "must be a list",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is larger than any count",
    "model_type": "must be a table of keys",
    "model_attributes_type": "must be a table of keys",
    "dict_type": "must be a table of keys",
}


def as_plan_error(error: ValidationError, plan: type[BaseModel]) -> InvalidPlanError:
    """The first thing that is wrong with the keys of a plan."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    field = ".".join(path) or "plan"
    seen = cast(object, first["input"])
    is_long = isinstance(seen, int) and seen.bit_length() > 256
    shown = "" if is_long or isinstance(seen, dict | BaseModel) else repr(seen)
    if first["type"] == "extra_forbidden":
        value = f", value {shown[:80]}" if shown else ""
        return InvalidPlanError(field, f"unknown key{value}{_instead(path, plan)}")
    plain = _plain_message(first["type"], first.get("ctx", {}))
    message = plain or first["msg"].removeprefix("Value error, ")
    is_told = shown == "" or (shown[:1] in "'\"" and shown in message)
    return InvalidPlanError(field, message if is_told else f"{message}, got {shown[:80]}")


def suggestion(seen: str, names: Iterable[str]) -> str:
    """The names that are spelt most like one, as the end of a sentence."""
    near = difflib.get_close_matches(seen.lower(), list(names), n=3, cutoff=0.6)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _plain_message(kind: str, bounds: Mapping[str, object]) -> str | None:
    """What a number or a choice must be, as a person writes it."""
    for name, words in (("le", "at most"), ("ge", "at least"), ("gt", "more than"), ("lt", "less than")):
        if kind in ("less_than_equal", "greater_than_equal", "greater_than", "less_than") and name in bounds:
            bound = str(bounds[name]).removeprefix("Decimal('").removesuffix("')")
            return f"must be {words} {float(bound):g}"
    if kind == "literal_error":
        return f"must be {bounds['expected']}"
    return _KINDS.get(kind)


def _instead(path: Sequence[str], plan: type[BaseModel]) -> str:
    """What to write in place of a key that is not known."""
    name = path[-1].lower().replace("-", "_")
    own = _section_of(plan, path[:-1]).model_fields
    if name in own:
        return f"; it is written {name}"
    if name in WITHOUT_COST:
        return "; it changes no cost, leave it out"
    sections = {
        key: one.annotation.model_fields
        for key, one in plan.model_fields.items()
        if isinstance(one.annotation, type) and issubclass(one.annotation, BaseModel)
    }
    places = [f"{key}.{name}" for key, fields in sections.items() if name in fields]
    if places or (len(path) > 1 and name in plan.model_fields):
        return f"; it is {' or '.join(places) or f'{name}, at the top of the plan'}"
    if name in OTHER_KEYS:
        return f"; it is {OTHER_KEYS[name]} here"
    if len(path) == 1 and name in CONFIG_KEYS:
        return "; if this is a config.json, it needs its model_type"
    return suggestion(name, own)


def _section_of(plan: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    section = plan
    for part in path:
        field = section.model_fields.get(part)
        inner = None if field is None else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            section = inner
    return section

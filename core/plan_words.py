"""Plans in people's words to the keys of a plan: words in any case, names of networks, samples for tokens.

`canonical` is pure and comes before validation, so that every door understands the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel

from gpuledger.core.count import count_from
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.huggingface.reader import architecture_from_config, is_config
from gpuledger.core.model_name import nearest, preset_named

METHOD_WORDS = {
    **dict.fromkeys(("pretraining", "from_scratch"), "pretrain"),
    **dict.fromkeys(
        ("full", "full_finetuning", "full_fine_tuning", "full_fine_tune", "sft"), "full_finetune"
    ),
    "q_lora": "qlora",
    "distill": "distillation",
    "rlhf": "ppo",
}
UNCLEAR_METHODS = ("finetune", "fine_tune", "finetuning", "fine_tuning", "tune", "peft")
_KEY_WORDS = {"utilization": "utilisation", "tokens": "training_tokens", "dataset_samples": "samples"}
_STORED = {
    **dict.fromkeys(("8bit", "8_bit", "int8", "8", "llm.int8", "load_in_8bit"), "int8"),
    **dict.fromkeys(("4bit", "4_bit", "nf4", "int4", "4", "load_in_4bit"), "nf4"),
    **dict.fromkeys(("none", "16bit", "16_bit", "16", "fp16", "bf16"), "fp16"),
}
"""How people say in what frozen weights are stored."""
_STORED_KEYS = ("quantization", "quantisation", "bits", "weights")
_SPACES = re.compile(r"[\s\-]+")


def canonical(keys: Mapping[str, Any], models: Mapping[str, Any], section: type[BaseModel]) -> dict[str, Any]:
    """The keys of a plan that are meant.

    Args:
        models: presets by name.
        section: the plan's model, whose choices are matched in any case.

    Raises:
        InvalidPlanError: a name has no preset, or samples are said without their length.
    """
    meant = {_KEY_WORDS.get(key, key): value for key, value in keys.items()}
    if isinstance(meant.get("model"), Mapping):
        meant = _with_config(meant, cast(Mapping[str, Any], meant["model"]))
    if isinstance(meant.get("method"), str):
        meant["method"] = method_from(meant["method"])
    if isinstance(meant.get("model"), str):
        meant["model"] = model_from(meant["model"], models)
    return _with_tokens(_folded(_with_weights(meant), section))


def _with_weights(keys: dict[str, Any]) -> dict[str, Any]:
    """`weights` in the words of other programs: `quantization = "8bit"`, `bits = 4`, `load_in_8bit = true`.

    Raises:
        InvalidPlanError: a word for a precision of stored weights is under `precision`, in which is computed.
    """
    precision = keys.get("precision")
    stored = _STORED.get(_SPACES.sub("_", precision.strip().lower())) if isinstance(precision, str) else None
    if stored not in (None, "fp16"):
        raise InvalidPlanError(
            "precision",
            f"{precision!r} says how frozen weights are stored, not in what is computed; write"
            f' weights = "{stored}" beside lora or qlora, or take precision "fp8"',
        )
    meant = dict(keys)
    for bits in (4, 8):
        if meant.pop(f"load_in_{bits}bit", False) is True:
            meant.setdefault("weights", _STORED[f"{bits}bit"])
    for name in _STORED_KEYS:
        if meant.get(name) is not None and not isinstance(meant[name], Mapping):
            word = _SPACES.sub("_", str(meant.pop(name)).strip().lower())
            meant.setdefault("weights", _STORED.get(word, word))
    return meant


def method_from(text: str) -> str:
    """The method that a text means; what is none is left for validation to refuse.

    Raises:
        InvalidPlanError: it may be one of several.
    """
    word = _SPACES.sub("_", text.strip().lower())
    if word in UNCLEAR_METHODS:
        raise InvalidPlanError(
            "method",
            f"{text!r} may be several: say full_finetune (all weights), lora or qlora (adapters), dpo",
        )
    return METHOD_WORDS.get(word, word)


def model_from(text: str, models: Mapping[str, Any]) -> str:
    """The preset that a name means.

    Raises:
        InvalidPlanError: none; names the nearest, or what else can be given.
    """
    name = preset_named(text, models)
    if name is not None:
        return name
    near = nearest(text, models)
    if text.endswith(".json"):
        raise InvalidPlanError(
            "model",
            f"{text[:80]!r} is a file, which is read beside a plan file alone; send the keys of the config",
        )
    other = 'give its config.json (model = "config.json") or parameters'
    hint = f"did you mean {', '.join(near)}? Else {other}" if near else other
    raise InvalidPlanError("model", f"no preset {text[:80]!r}; {hint}")


def _with_config(keys: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with a network's `config.json` under `model` read as its architecture; other keys stand."""
    if not is_config(config):
        raise InvalidPlanError("model", "a table here is a config.json, which has a model_type")
    read = architecture_from_config(config)
    own = {key: value for key, value in keys.items() if key != "model"}
    shape = {**read.pop("architecture", {}), **own.pop("architecture", {})}
    length = read.pop("sequence_length", None)
    meant = {**read, **own, "architecture": shape}
    if length is not None and own.get("method", "pretrain") == "pretrain":
        meant.setdefault("sequence_length", length)
    return meant


def _folded(keys: dict[str, Any], section: type[BaseModel]) -> dict[str, Any]:
    """Choices in any case and with spaces or hyphens, in nested tables too."""
    folded: dict[str, Any] = {}
    for key, value in keys.items():
        field = section.model_fields.get(key)
        annotation = None if field is None else field.annotation
        if isinstance(value, Mapping) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
            folded[key] = _folded(dict(cast(Mapping[str, Any], value)), annotation)
        elif isinstance(value, str):
            word = _SPACES.sub("_", value.strip().lower())
            folded[key] = word if word in _choices(annotation) else value
        else:
            folded[key] = value
    return folded


def _choices(annotation: Any) -> set[str]:
    if getattr(annotation, "__origin__", None) is Literal:
        return set(get_args(annotation))
    return {choice for one in get_args(annotation) for choice in _choices(one)}


def _with_tokens(keys: dict[str, Any]) -> dict[str, Any]:
    """`dataset_tokens` from samples and the tokens of one."""
    if keys.get("samples") is None or keys.get("dataset_tokens") is not None:
        return keys
    samples, length = _count(keys, "samples"), _count(keys, "tokens_per_sample")
    if length is None:
        if keys.get("training_tokens") is not None:
            return keys
        raise InvalidPlanError(
            "tokens_per_sample",
            f"is needed with samples {samples:g}: tokens of one sample on average; instructions with their answers"
            " have 100 to 700, long documents thousands",
        )
    return keys | {"dataset_tokens": (samples or 0.0) * length}


def _count(keys: Mapping[str, Any], name: str) -> float | None:
    value = keys.get(name)
    if value is None:
        return None
    try:
        read = count_from(value) if isinstance(value, str) else float(value)
    except (ValueError, TypeError, OverflowError):
        raise InvalidPlanError(name, f"{type(value).__name__!s} is no count, as in 5000 or 20k") from None
    if isinstance(value, bool) or not 0 < read <= 1e18:
        raise InvalidPlanError(name, "must be more than 0 and at most 1e18")
    return read

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
from gpuledger.core.huggingface.reader import architecture_from_config, is_config, quantised_bits
from gpuledger.core.model_name import is_decorated, nearest_models, preset_named, stored_bits

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
_CHOICE_WORDS = {
    **dict.fromkeys(("adamw_torch", "adamw_torch_fused", "adamw_hf", "adam", "paged_adamw_32bit"), "adamw"),
    **dict.fromkeys(("paged_adamw_8bit", "adamw_bnb_8bit", "adam_8bit", "adam8bit", "adamw8bit"), "adamw_8bit"),
    "bfloat16": "bf16", "bf_16": "bf16", "float16": "fp16", "half": "fp16", "fp_16": "fp16", "float32": "fp32",
    "float8": "fp8", "fp_8": "fp8",
}  # fmt: skip
"""Choices as other programs name them (arguments of transformers and PyTorch, read 2026-11)."""
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
        meant |= _model_keys(meant, models)
    return _with_tokens(_folded(_with_weights(meant), section))


_SIZE = re.compile(r"^\s*[\d.]+\s*(?:[mbt]|million|billion|trillion)\s*$", re.IGNORECASE)


def _model_keys(keys: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """The preset that a name means, and what else the name says: that it is a network of so many parameters (`7B`), or
    in how many bits its weights are stored."""
    text = str(keys["model"])
    if _SIZE.match(text) and keys.get("parameters") is None:
        return {"model": None, "parameters": text}
    name = model_from(text, models)
    if not is_decorated(text, name):
        return {"model": name}
    basis = f"the network of {text.strip()[:80]}"
    bits = stored_bits(text)
    if bits is None or keys.get("method") != "lora" or _says_weights(keys):
        return {"model": name, "model_basis": basis}
    return {
        "model": name,
        "model_basis": f"{basis}, whose weights have {bits} bits",
        "weights": _STORED[f"{bits}bit"],
    }


def _says_weights(keys: Mapping[str, Any]) -> bool:
    return any(keys.get(key) is not None for key in (*_STORED_KEYS, "load_in_4bit", "load_in_8bit"))


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
        switch = meant.pop(f"load_in_{bits}bit", None)
        if _is_on(f"load_in_{bits}bit", switch):
            meant.setdefault("weights", _STORED[f"{bits}bit"])
    for name in _STORED_KEYS:
        if meant.get(name) is not None and not isinstance(meant[name], Mapping):
            word = _SPACES.sub("_", str(meant.pop(name)).strip().lower())
            meant.setdefault("weights", _STORED.get(word, word))
    return meant


def _is_on(key: str, value: Any) -> bool:
    """A switch as Python, TOML or people write it.

    Raises:
        InvalidPlanError: it is none.
    """
    word = str(value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0", "none"):
        return False
    raise InvalidPlanError(key, f"{str(value)[:40]!r} is neither true nor false")


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
    near = nearest_models(text, models)
    if text.endswith(".json"):
        raise InvalidPlanError(
            "model",
            f"{text[:80]!r} is a file, which is read beside a plan file alone; send the keys of the config",
        )
    other = 'give its config.json (model = "config.json") or parameters'
    hint = (
        f"did you mean {', '.join(near)}? Else {other}" if near else f"`gpuledger presets` lists all; {other}"
    )
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
    bits = quantised_bits(config)
    if bits is not None and str(own.get("method", "")).strip().lower() == "lora" and not _says_weights(own):
        meant |= {
            "weights": _STORED[f"{bits}bit"],
            "model_basis": f"config.json, whose weights have {bits} bits",
        }
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
            choices = _choices(annotation)
            word = word if word in choices else _CHOICE_WORDS.get(word, word)
            folded[key] = word if word in choices else value
        else:
            folded[key] = value
    return folded


def _choices(annotation: Any) -> set[str]:
    if getattr(annotation, "__origin__", None) is Literal:
        return set(get_args(annotation))
    return {choice for one in get_args(annotation) for choice in _choices(one)}


def _with_tokens(keys: dict[str, Any]) -> dict[str, Any]:
    """`dataset_tokens` from samples and the tokens of one."""
    if keys.get("samples") is None:
        return keys
    samples, length = _count(keys, "samples"), _count(keys, "tokens_per_sample")
    if length is None:
        if keys.get("training_tokens") is not None or keys.get("dataset_tokens") is not None:
            return keys
        raise InvalidPlanError(
            "tokens_per_sample",
            f"is needed with samples {samples:g}: tokens of one sample on average; instructions with their answers"
            " have 100 to 700, long documents thousands",
        )
    product, stated = (samples or 0.0) * length, _count(keys, "dataset_tokens")
    if stated is not None and abs(product / stated - 1.0) > 0.01:
        raise InvalidPlanError(
            "dataset_tokens", f"{stated:g} is not samples x tokens_per_sample {product:g}; give one of them"
        )
    return keys | {"dataset_tokens": product if stated is None else stated}


def _count(keys: Mapping[str, Any], name: str) -> float | None:
    value = keys.get(name)
    if value is None:
        return None
    try:
        read = count_from(value, name) if isinstance(value, str) else float(value)
    except ValueError as error:
        raise InvalidPlanError(name, str(error)) from None
    except (TypeError, OverflowError):
        raise InvalidPlanError(name, f"{type(value).__name__!s} is no count, as in 5000 or 20k") from None
    if isinstance(value, bool) or not 0 < read <= 1e18:
        raise InvalidPlanError(name, "must be more than 0 and at most 1e18")
    return read

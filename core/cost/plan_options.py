"""What one may say of a plan beside the question: a whole plan in a few words, or changes to one. Declared once, like
the options of a quote, and shown at every door with them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from gpuledger.core.cost.options import QuoteOption, quote_options
from gpuledger.core.errors import InvalidPlanError, UsageError

SET = "set"
TOKEN_KEYS = ("training_tokens", "dataset_tokens", "samples", "tokens_per_sample", "epochs", "data_basis")
_OF_PRESET = (*TOKEN_KEYS, "global_batch_tokens", "sequence_length", "lora_rank", "name")


def _option(name: str, help: str, *, kind: Any = "text", label: str = "", hint: str = "") -> QuoteOption:
    default: Any = () if kind == "names" else None
    flag = f"--{name.replace('_', '-')}"
    return QuoteOption(
        field=name,
        name=name,
        flag=flag,
        kind=kind,
        help=help,
        default=default,
        label=label,
        hint=hint,
        is_of_plan=True,
    )


PLAN_OPTIONS = (
    _option(
        "model",
        "Network: a preset, a hub id (meta-llama/Llama-3.1-8B) or a loose name; then PLAN may be left out.",
    ),
    _option("method", "pretrain, full_finetune, lora, qlora, dpo, distillation, ppo or grpo."),
    _option("parameters", "Parameters of a network without a name, as in 7B."),
    _option("samples", "Samples of the data set, as in 5000 or 20k."),
    _option("tokens_per_sample", "Tokens of one sample on average."),
    _option("dataset_tokens", "Tokens of one pass over the data set, as in 20M; instead of samples."),
    _option("epochs", "Passes over the data set."),
    _option("sequence_length", "Tokens of one sequence in training."),
    _option(SET, "KEY=VALUE: one key of the plan, as in hardware.stack=unsloth.", kind="names"),
)
"""What makes or changes a plan."""


def question_options() -> tuple[QuoteOption, ...]:
    """All options that a question about a plan takes: those of the plan, then those of a quote."""
    return (*PLAN_OPTIONS, *quote_options())


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was given of the plan, and the rest; empty values are not given."""
    names = {option.name for option in PLAN_OPTIONS}
    of_plan = {
        key: value for key, value in values.items() if key in names and value not in (None, "", [], ())
    }
    return of_plan, {key: value for key, value in values.items() if key not in names}


def changed(keys: Mapping[str, Any] | None, values: Mapping[str, Any], *, is_preset: bool) -> dict[str, Any]:
    """A plan's keys with what was given in their place.

    Args:
        keys: of the plan, or `None` where the options are all there is.
        values: by the names of `PLAN_OPTIONS`.
        is_preset: the plan is a name alone, so that another method leaves its tokens behind.

    Raises:
        UsageError: there is neither plan nor network.
        InvalidPlanError: KEY=VALUE is none.
    """
    meant: dict[str, Any] = dict(keys or {})
    options = {name: value for name, value in values.items() if name != SET}
    if keys is None and not {"model", "parameters"} & options.keys() and not values.get(SET):
        raise UsageError("PLAN: is missing; name a file, a preset or -, or give --model")
    if is_preset and "method" in options:
        meant = {key: value for key, value in meant.items() if key not in _OF_PRESET}
    if (set(TOKEN_KEYS) - {"epochs"}) & options.keys():
        meant = {key: value for key, value in meant.items() if key not in TOKEN_KEYS or key == "epochs"}
    if "epochs" in options and "training_tokens" in meant:
        raise InvalidPlanError(
            "epochs", "the plan gives training_tokens, which are all passes; give dataset_tokens"
        )
    meant |= options
    if "name" not in meant:
        words = [str(options[key]) for key in ("model", "parameters", "method") if key in options]
        meant["name"] = "-".join(words).lower().rpartition("/")[2].replace(" ", "-") or "plan"
    for text in cast(Sequence[str], values.get(SET) or ()):
        _set(meant, text)
    return meant


def _set(keys: dict[str, Any], text: str) -> None:
    path, equals, written = text.partition("=")
    names = [name.strip() for name in path.split(".")]
    if not equals or not all(names):
        raise InvalidPlanError(
            "set", f"{text[:80]!r} is no KEY=VALUE, as in epochs=2 or hardware.stack=unsloth"
        )
    table = keys
    for name in names[:-1]:
        inner = table.get(name)
        table[name] = dict(cast(Mapping[str, Any], inner)) if isinstance(inner, Mapping) else {}
        table = table[name]
    if names == ["samples"] or names == ["dataset_tokens"] or names == ["training_tokens"]:
        for name in TOKEN_KEYS:
            if name not in ("epochs", "tokens_per_sample"):
                keys.pop(name, None)
    table[names[-1]] = _value(written.strip())


def _value(text: str) -> Any:
    """A TOML value, else the text itself: `2`, `true`, `[2, 3]`, `20M`, `unsloth`."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text

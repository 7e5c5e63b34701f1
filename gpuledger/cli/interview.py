"""Six questions in a terminal that make a plan."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from gpuledger import parse
from gpuledger.core.count import count_from
from gpuledger.core.errors import GPULedgerError
from gpuledger.training_data import data_keys

Ask = Callable[[str, str], str]
Say = Callable[[str], Any]


def asked_plan(ask: Ask, say: Say) -> str:
    """The plan as TOML. An answer that cannot be understood is asked for again, with the reason.

    Args:
        ask: gets a question and a default, gives the answer.
        say: shows a line.
    """
    keys: dict[str, Any] = {}
    _until_valid(
        keys, ask, say, "1. Which model? A preset, a hub id, or its parameters (7B)", "llama-3.1-8b", _model
    )
    _until_valid(
        keys, ask, say, "2. Which method? pretrain, full_finetune, lora, qlora, dpo", "qlora", _method
    )
    if keys["method"] == "pretrain":
        question, default = "3. How many tokens in all? Empty: 20 per parameter", ""
    else:
        question, default = (
            "3. How much data? Samples x tokens of one (5000 x 600), or tokens (20M)",
            "5000 x 600",
        )
    _until_valid(keys, ask, say, question, default, _data)
    if keys["method"] == "pretrain":
        _until_valid(keys, ask, say, "4. Tokens of one sequence?", "4096", _length)
    else:
        _until_valid(keys, ask, say, "4. How often is it passed over (epochs)?", "3", _epochs)
    _until_valid(keys, ask, say, "5. Budget in US dollars? Empty: none", "", _budget)
    _until_valid(keys, ask, say, "6. Deadline, as in 12 h or 3 d? Empty: none", "", _deadline)
    return _toml(keys)


def _until_valid(
    keys: dict[str, Any],
    ask: Ask,
    say: Say,
    question: str,
    default: str,
    read: Callable[[str, dict[str, Any]], None],
) -> None:
    while True:
        trial = deepcopy(keys)
        try:
            read(ask(question, default).strip(), trial)
            parse.plan(trial)
        except (GPULedgerError, ValueError) as error:
            say(f"  {str(error).removeprefix('plan: ')}")
            continue
        keys.clear()
        keys.update(trial)
        return


def _model(text: str, keys: dict[str, Any]) -> None:
    try:
        keys["parameters"] = count_from(text)
    except ValueError:
        keys["model"] = parse.plan({"model": text}).model


def _method(text: str, keys: dict[str, Any]) -> None:
    keys["method"] = parse.plan({**keys, "method": text}).method


def _data(text: str, keys: dict[str, Any]) -> None:
    if not text and keys["method"] != "pretrain":
        raise ValueError("is needed")
    keys |= data_keys(text, keys["method"])


def _epochs(text: str, keys: dict[str, Any]) -> None:
    keys["epochs"] = count_from(text)


def _length(text: str, keys: dict[str, Any]) -> None:
    keys["sequence_length"] = int(count_from(text))


def _budget(text: str, keys: dict[str, Any]) -> None:
    if text:
        keys.setdefault("constraints", {})["budget_usd"] = str(
            parse.dollars(text.lstrip("$"), "budget", is_total=True)
        )


def _deadline(text: str, keys: dict[str, Any]) -> None:
    if text:
        plan = parse.plan({**keys, "constraints": {"deadline_hours": text}})
        keys.setdefault("constraints", {})["deadline_hours"] = plan.constraints.deadline_hours


def _toml(keys: dict[str, Any]) -> str:
    lines = [_line(name, value) for name, value in keys.items() if not isinstance(value, dict)]
    for name, section in keys.items():
        if isinstance(section, dict):
            items = cast("dict[str, Any]", section).items()
            lines += ["", f"[{name}]", *(_line(key, value) for key, value in items)]
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    if isinstance(value, str):
        return f'{name} = "{value}"'
    return f"{name} = {int(value) if isinstance(value, float) and value.is_integer() and value < 1e15 else value}"

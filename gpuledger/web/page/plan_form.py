"""The form of the quote page: fields of an address in, a plan and its options out. The address is the whole
question, so it can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuledger import parse
from gpuledger.core.cost.options import quote_options
from gpuledger.core.errors import UsageError
from gpuledger.core.plan import FINETUNE_METHODS, TrainingPlan, model_rows, preset_plan, read_plan

METHODS = ("pretrain", *FINETUNE_METHODS)
OPTION_FIELDS = tuple(option for option in quote_options() if option.label)
"""The options of a quote that the page asks for."""
FIELDS = (
    *("model", "method", "tokens", "epochs", "sequence_length"),
    *(option.name for option in OPTION_FIELDS),
    *("as_of", "plan"),
)
LONGEST_PLAN = 20_000


@dataclass(frozen=True)
class PlanForm:
    """What was filled in, as text, and what it means."""

    fields: Mapping[str, str]
    plan: TrainingPlan
    options: Mapping[str, Any]
    """For `Ledger.quote`."""

    @property
    def plan_keys(self) -> dict[str, Any]:
        """The plan as a file would hold it, for whoever wants to ask again elsewhere."""
        return self.plan.model_dump(mode="json", exclude_defaults=True) | {"name": self.plan.name}


def is_asked(inputs: Mapping[str, str]) -> bool:
    """Whether the address holds a question at all."""
    return bool(inputs.get("model") or inputs.get("plan"))


def read_form(inputs: Mapping[str, str]) -> PlanForm:
    """The question in an address.

    Raises:
        InvalidPlanError: the plan is wrong; names the key.
        UsageError: another field cannot be understood.
    """
    fields = {name: inputs.get(name, "").strip() for name in FIELDS}
    plan = _pasted(fields["plan"]) if fields["plan"] else _chosen(fields)
    options: dict[str, Any] = {option.name: fields[option.name] for option in OPTION_FIELDS}
    for option in OPTION_FIELDS:
        if option.kind == "switch":
            options[option.name] = fields[option.name] == "true"
    return PlanForm(fields, plan, options | {"as_of": fields["as_of"] or None})


def _pasted(text: str) -> TrainingPlan:
    if len(text) > LONGEST_PLAN:
        raise UsageError(
            f"plan: {len(text)} characters; a page takes {LONGEST_PLAN}, the REST interface more"
        )
    return read_plan(text, syntax="json" if text.lstrip().startswith("{") else "toml")


def _chosen(fields: Mapping[str, str]) -> TrainingPlan:
    """A preset with some of its keys replaced."""
    model, method = fields["model"], fields["method"] or "pretrain"
    if method not in METHODS:
        raise UsageError(f"method: {method!r} is none of {', '.join(METHODS)}")
    is_whole_name = model not in model_rows()
    preset = preset_plan(model if is_whole_name or method == "pretrain" else f"{model}-{method}")
    keys = preset.model_dump(mode="json", exclude_defaults=True) | {"name": preset.name}
    tokens = _tokens(fields["tokens"])
    epochs = parse.count(fields["epochs"] or None, "epochs")
    if tokens is not None or epochs is not None:
        if preset.method == "pretrain":
            if tokens is not None:
                keys["training_tokens"] = tokens
        else:
            keys["dataset_tokens"] = tokens or preset.dataset_tokens
            keys["epochs"] = epochs or preset.epochs
    length = parse.count(fields["sequence_length"] or None, "sequence_length")
    if length is not None:
        keys["sequence_length"] = int(length)
    return parse.plan(keys)


def _tokens(text: str) -> float | None:
    """`20M`, or samples times the tokens of one: `5000 x 600`."""
    samples, times, each = text.lower().replace("\N{MULTIPLICATION SIGN}", "x").partition("x")
    if not times:
        return parse.count(text or None, "tokens")
    return (parse.count(samples, "tokens") or 0.0) * (parse.count(each, "tokens") or 0.0)

"""The form of the quote page: fields of an address in, a plan and its options out. The address is the whole
question, so it can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuledger import parse
from gpuledger.core.cost.options import quote_options
from gpuledger.core.count import count_from
from gpuledger.core.errors import UsageError
from gpuledger.core.plan import FINETUNE_METHODS, TrainingPlan, presets, read_plan
from gpuledger.training_data import data_keys

METHODS = ("qlora", "lora", "full_finetune", "dpo", "pretrain", *(
    name for name in FINETUNE_METHODS if name not in ("qlora", "lora", "full_finetune", "dpo")
))  # fmt: skip
FIRST_OPTIONS = ("budget_usd", "deadline_hours")
"""Options of a quote that the form shows before the folded ones."""
OPTION_FIELDS = tuple(option for option in quote_options() if option.label)
"""The options of a quote that the page asks for."""
PLAN_FIELDS = ("model", "method", "data", "tokens", "epochs", "sequence_length", "plan")
FIELDS = (*PLAN_FIELDS, *(option.name for option in OPTION_FIELDS), "as_of")
LONGEST_PLAN = 20_000
PRESETS = (
    (
        "Llama 3.1 8B, QLoRA, 5,000 samples",
        {"model": "llama-3.1-8b", "method": "qlora", "data": "5000 x 600"},
    ),
    (
        "LoRA of 8B under $20",
        {"model": "meta-llama/Llama-3.1-8B", "method": "lora", "data": "20M", "budget_usd": "20"},
    ),
    (
        "Fine-tune 70B in 3 days",
        {"model": "llama-3.1-70b", "method": "full_finetune", "data": "100M", "deadline_hours": "3 d"},
    ),
    ("Pretrain 7B on 1T tokens", {"model": "llama-2-7b", "method": "pretrain", "data": "1T"}),
)


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
        return self.plan.model_dump(mode="json", exclude_unset=True) | {"name": self.plan.name}

    def options_with(self, **more: Any) -> dict[str, Any]:
        """The options with others in their place."""
        return {**self.options, **more}

    @property
    def given_options(self) -> dict[str, Any]:
        """Those of the options that are not empty."""
        return {name: value for name, value in self.options.items() if value not in (None, "", False)}


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
    plan = _pasted(fields["plan"]) if fields["plan"] else plan_of_fields(fields)
    options: dict[str, Any] = {option.name: fields[option.name] for option in OPTION_FIELDS}
    for option in OPTION_FIELDS:
        if option.kind == "switch":
            options[option.name] = _is_on(option.name, fields[option.name])
    options["budget_usd"] = fields["budget_usd"].lstrip("$ ")
    return PlanForm(fields, plan, options | {"as_of": fields["as_of"] or None})


def _is_on(name: str, text: str) -> bool:
    if text.lower() not in ("", "true", "false"):
        raise UsageError(f"{name}: {text[:40]!r} is none of true, false")
    return text.lower() == "true"


def _pasted(text: str) -> TrainingPlan:
    if len(text) > LONGEST_PLAN:
        raise UsageError(
            f"plan: {len(text)} characters; a page takes {LONGEST_PLAN}, the REST interface more"
        )
    return read_plan(text, syntax="json" if text.lstrip().startswith("{") else "toml")


def plan_of_fields(fields: Mapping[str, str]) -> TrainingPlan:
    """The plan that model, method, data, epochs and sequence length make, in people's words.

    Raises:
        InvalidPlanError: a word means nothing; names the field.
        UsageError: a number cannot be understood.
    """
    model, method = fields.get("model", ""), fields.get("method", "").lower()
    values: dict[str, Any] = {"method": method} if method else {}
    data = data_keys(fields.get("data") or fields.get("tokens") or "", method or "pretrain")
    in_all = data.pop("training_tokens", None)
    values |= data if in_all is None else {"set": [f"training_tokens={in_all!r}"]}
    for name in ("epochs", "sequence_length"):
        if fields.get(name):
            values[name] = fields[name]
    if model in presets():
        # the preset of that method has data of its own, for those who have not said
        of_method = f"{model}-{method.replace('_', '-')}"
        own = next((name for name in presets() if name.replace("_", "-") == of_method), None)
        if own is not None and not {"samples", "dataset_tokens"} & values.keys():
            return parse.plan_with(own, {name: value for name, value in values.items() if name != "method"})
        if method in ("", parse.plan(model).method):
            return parse.plan_with(model, {name: value for name, value in values.items() if name != "method"})
    try:
        count_from(model)
        values["parameters"] = model
    except ValueError:
        values["model"] = model
    return parse.plan_with(None, values)

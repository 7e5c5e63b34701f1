"""The form of the quote page: fields of an address in, a plan and its options out. The address is the whole
question, so it can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpuledger.core.cost.question import QuoteOptions
from gpuledger.core.errors import UsageError
from gpuledger.core.plan import FINETUNE_METHODS, TrainingPlan, model_rows, preset_plan, read_plan
from gpuledger.desk import Desk, plan_of
from gpuledger.web.parameters import dollars, instant

METHODS = ("pretrain", *FINETUNE_METHODS)
FIELDS = (
    "model",
    "method",
    "tokens",
    "epochs",
    "sequence_length",
    "gpu",
    "provider",
    "region",
    "purchase_option",
    "deadline_hours",
    "budget_usd",
    "max_gpus",
    "as_of",
    "allow_stale",
    "plan",
)
LONGEST_PLAN = 20_000


@dataclass(frozen=True)
class PlanForm:
    """What was asked, as text, and what it means."""

    fields: Mapping[str, str]
    plan: TrainingPlan
    options: QuoteOptions
    as_of: datetime | None

    @property
    def plan_keys(self) -> dict[str, Any]:
        """The plan as a file would hold it, for whoever wants to ask again elsewhere."""
        return self.plan.model_dump(mode="json", exclude_defaults=True) | {"name": self.plan.name}


def is_asked(given: Mapping[str, str]) -> bool:
    """Whether the address holds a question at all."""
    return bool(given.get("model") or given.get("plan"))


def read_form(given: Mapping[str, str], desk: Desk) -> PlanForm:
    """The question in an address.

    Raises:
        InvalidPlanError: the plan is wrong; names the key.
        UsageError: another field cannot be understood.
    """
    fields = {name: given.get(name, "").strip() for name in FIELDS}
    plan = _pasted(fields["plan"]) if fields["plan"] else _chosen(fields)
    max_gpus = _number(fields["max_gpus"], "max_gpus")
    options = QuoteOptions(
        gpu=fields["gpu"] or None,
        providers=_words(fields["provider"]),
        regions=_words(fields["region"]),
        purchase_options=_words(fields["purchase_option"]),
        deadline_hours=_number(fields["deadline_hours"], "deadline_hours"),
        budget_usd=dollars(fields["budget_usd"] or None, "budget_usd"),
        max_gpus=None if max_gpus is None else int(max_gpus),
        allow_stale=fields["allow_stale"] == "true",
        limit=10,
        overrides=desk.overrides(),
    )
    return PlanForm(fields, plan, options, instant(fields["as_of"] or None, "as_of"))


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
    tokens = _number(fields["tokens"], "tokens")
    epochs = _number(fields["epochs"], "epochs")
    if tokens is not None or epochs is not None:
        if preset.method == "pretrain":
            if tokens is not None:
                keys["training_tokens"] = tokens
        else:
            keys["dataset_tokens"] = tokens or preset.dataset_tokens
            keys["epochs"] = epochs or preset.epochs
    length = _number(fields["sequence_length"], "sequence_length")
    if length is not None:
        keys["sequence_length"] = int(length)
    return plan_of(keys)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _number(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        raise UsageError(f"{name}: {text!r} is no number, as in 2e9 or 4096") from None
    if not 0 < value < 1e18:
        raise UsageError(f"{name}: {text} must be more than 0")
    return value

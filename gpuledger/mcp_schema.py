"""What the tools of the MCP server take: the keys of a plan as a schema, a parameter for every option of a quote, and
which keys of an answer are worth a reader's attention."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, WithJsonSchema

from gpuledger.core.cost.options import QuoteOption, question_options
from gpuledger.core.plan import TrainingPlan

OFFER_KEYS = (
    *("provider", "via", "instance_type", "region", "country", "tier", "gpu_id", "gpu_label", "gpu_count"),
    *("gpu_memory_gib", "purchase_option", "term_months", "availability", "usd_per_gpu_hour"),
    *("usd_per_hour", "price_state", "price_age_hours", "last_seen_at", "price_id", "source", "source_url"),
    "survival",
)
QUOTE_KEYS = (
    *("rank", "quote_id", "provider", "instance_type", "region", "purchase_option", "usd_per_gpu_hour"),
    *("price_state", "price_age_hours", "survival"),
)


def _plan_schema() -> dict[str, Any]:
    """The keys of a plan without references, so that the schema can stand inside another."""
    whole = TrainingPlan.model_json_schema()
    definitions = whole.pop("$defs", {})

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(one) for one in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        table = cast("dict[str, Any]", node)
        if "$ref" in table:
            return inlined(definitions[table["$ref"].rpartition("/")[2]])
        short = {key: value for key, value in table.items() if key not in ("title", "default")}
        options = short.get("anyOf")
        if options is not None:
            # a key that may be left out need not say that it may be null
            inputs = [one for one in options if one != {"type": "null"}]
            if len(inputs) == 1:
                rest = {key: value for key, value in short.items() if key != "anyOf"}
                return {**rest, **inlined(inputs[0])}
        return {
            key: {name: inlined(one) for name, one in value.items()}
            if key == "properties"
            else inlined(value)
            for key, value in short.items()
        }

    return inlined(whole)


PLAN = Annotated[
    str | dict[str, Any] | None,
    WithJsonSchema(
        {
            "description": "A preset's name (llama-2-7b-qlora), plan keys as an object, or a plan in TOML; may be left"
            " out where model is given.",
            "anyOf": [{"type": "string"}, _plan_schema(), {"type": "null"}],
        }
    ),
]
"""A plan or none, with all its keys in the schema."""


Plan = Annotated[str | dict[str, Any], Field(description="A preset's name, plan keys, or TOML.")]
PlanOrNone = Annotated[
    str | dict[str, Any] | None,
    Field(description="A preset's name, plan keys, or TOML; may be left out where model is given."),
]
Plans = Annotated[list[str | dict[str, Any]], Field(description="Presets' names, plan keys, or TOML.")]

GpuSpec = Annotated[str, Field(description="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8.")]
AnyGpu = Annotated[str | None, Field(description="[vendor:]NAME[:MEMORY][:COUNT]; all without.")]
ProviderIds = Annotated[list[str], Field(description="Provider ids, such as runpod, aws, lambda.")]
Regions = Annotated[list[str], Field(description="Region codes, ISO countries or continents (eu).")]
Past = Annotated[str | None, Field(description="A past date or time, ISO 8601, UTC; now without.")]
Usd = Annotated[str, Field(description="US dollars, as in 500.")]
LockText = Annotated[
    str | dict[str, Any] | None, Field(description="Of lock_prices: answers at its prices and times.")
]
Details = Annotated[bool, Field(description="Every key of the answer; it is long.")]


def with_quote_parameters(tool: Callable[..., Mapping[str, Any]]) -> Callable[..., Mapping[str, Any]]:
    """The tool with a parameter for every option of a quote, in place of its parameter `options`, which gets what was
    given."""
    names = [option.name for option in question_options()]

    @functools.wraps(tool)
    def ask(**values: Any) -> Mapping[str, Any]:
        inputs = {name: values.pop(name) for name in names if name in values}
        return tool(options={name: one for name, one in inputs.items() if one not in (None, [])}, **values)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(tool, eval_str=True).parameters.values():
        if parameter.name == "options":
            parameters += [_parameter(option) for option in question_options()]
        else:
            parameters.append(parameter)
    signature = inspect.Signature(parameters)
    ask.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
    ask.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    return ask


def _parameter(option: QuoteOption) -> inspect.Parameter:
    kinds: dict[str, Any] = {
        "text": str | None,
        "names": list[Literal[option.choices]] if option.choices else list[str],
        "number": float | None,
        "usd": str | None,
        "count": int | None,
        "hours": float | str | None,
        "gib": float | str | None,
        "switch": bool | None,
    }
    bounds: dict[str, Any] = {}
    if option.kind in ("number", "count"):
        bounds = {"ge": option.least, "le": option.most}
    annotation = Annotated[kinds[option.kind], Field(description=option.help, **bounds)]
    default: Any = [] if option.kind == "names" else None
    return inspect.Parameter(
        option.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )

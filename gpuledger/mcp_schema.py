"""What the tools of the MCP server take and give: the keys of a plan as a schema, a parameter for every option of a
quote, and answers as one compact text with those keys that are worth a reader's attention."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, ParamSpec, cast

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field, ValidationError, WithJsonSchema

from gpuledger import formats
from gpuledger.core.cost.options import QuoteOption, question_options
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.plan import TrainingPlan

INSTRUCTIONS = """Prices of GPU clouds with their history, and what a training plan costs with them. Money is
decimal text in US dollars; `price_state` says whether a price is fresh. Accelerators are named
[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8 or nvidia:24GB..80GB. A plan is a preset's name (list_known presets),
an object of plan keys (the schema is in quote_plan), or TOML. Say the age and source of a price when you pass it on."""

READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

LONGEST = 500
"""Characters of one text; addresses of real sources have up to 300."""
ROWS = 400
"""Rows of one answer at most; a text says how many were cut off."""
P = ParamSpec("P")
Answer = Mapping[str, Any]
GpuSpec = Annotated[str, Field(description="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8.")]
AnyGpu = Annotated[str | None, Field(description="[vendor:]NAME[:MEMORY][:COUNT]; all without.")]
ProviderIds = Annotated[list[str], Field(description="Provider ids, such as runpod, aws, lambda.")]
Regions = Annotated[list[str], Field(description="Region codes, ISO countries or continents (eu).")]
Past = Annotated[str | None, Field(description="A past date or time, ISO 8601, UTC; now without.")]
Usd = Annotated[str, Field(description="US dollars, as in 500.")]
Option = Literal["on_demand", "spot", "reserved", "capacity_block"]
Plan = Annotated[str | dict[str, Any], Field(description="A preset's name, plan keys, or TOML.")]
LockText = Annotated[
    str | dict[str, Any] | None, Field(description="Of lock_prices: answers at its prices and times.")
]
Details = Annotated[bool, Field(description="Every key of the answer; it is long.")]
OFFER_KEYS = (
    *("provider", "via", "instance_type", "region", "country", "tier", "gpu_id", "gpu_label", "gpu_count"),
    *("gpu_memory_gib", "purchase_option", "term_months", "availability", "usd_per_gpu_hour"),
    *("usd_per_hour", "price_state", "price_age_hours", "last_seen_at", "price_id", "source", "source_url"),
)
QUOTE_KEYS = (
    *("rank", "quote_id", "provider", "instance_type", "region", "purchase_option", "usd_per_gpu_hour"),
    *("price_state", "price_age_hours"),
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


def as_tool(question: Callable[P, Answer]) -> Callable[P, str]:
    """Our errors as tool errors with their one clear line, and answers as one compact text without strangers' control
    characters."""

    @functools.wraps(question)
    def answer(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            plain = json.loads(formats.json_text(dict(question(*args, **kwargs))))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ToolError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except GPULedgerError as error:
            raise ToolError(formats.clean(str(error), LONGEST)) from None
        return json.dumps(_calmed(plain), ensure_ascii=False, separators=(",", ":"))

    answer.__annotations__ = {**question.__annotations__, "return": str}
    return answer


def _calmed(value: Any, key: str = "") -> Any:
    """The answer with every text printable and short, because who reads it may do what a text says, and without what is
    empty. A lock is whole: it is read back."""
    if isinstance(value, str):
        return value if key in ("lock", "report") else formats.clean(value, LONGEST)
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {name: _calmed(one, name) for name, one in pairs if one not in (None, [], {}, "")}
    if isinstance(value, list):
        return [_calmed(one) for one in cast("list[Any]", value)]
    return value


def _short(rows: Sequence[Mapping[str, Any]], keys: Sequence[str] = ()) -> list[dict[str, Any]]:
    return [{key: row[key] for key in keys or row if row.get(key) is not None} for row in rows[:ROWS]]


def rows_under(name: str, rows: Sequence[Mapping[str, Any]], keys: Sequence[str] = ()) -> dict[str, Any]:
    """Rows under a name, with what is said of them."""
    cut = max(len(rows) - ROWS, 0)
    remarks = list(getattr(rows, "remarks", ()))
    return {name: _short(rows, keys), "rows_cut": cut or None, "remarks": remarks}


def newest_under(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last rows under a name: of a series the newest are worth most."""
    remarks = list(getattr(rows, "remarks", ()))
    return {name: rows[-ROWS:], "rows_cut": max(len(rows) - ROWS, 0), "remarks": remarks}


def lock_text(lock: str | dict[str, Any] | None) -> str | None:
    """A lock as its text; clients read texts that look like JSON before they send them."""
    return json.dumps(lock) if isinstance(lock, dict) else lock


def at_most(quotes: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """So many quotes unless the options say otherwise."""
    return {"limit": quotes, **options}


def quote_text(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A ranking in few characters: each quote in one object, lines of the best alone."""
    best = answer["quotes"][0]
    lines = {line["name"]: line["usd"] for line in best["lines"] if line["usd"] not in (None, "0.00")}
    quotes = [
        {key: quote[key] for key in QUOTE_KEYS}
        | {
            "usd": quote["usd_total"]["mid"],
            "usd_range": f"{quote['usd_total']['low']}..{quote['usd_total']['high']}",
            "hours": round(quote["wall_hours"]["mid"], 2),
            "gpus": f"{quote['paid_gpus']} x {quote['gpu_id']}",
        }
        for quote in answer["quotes"]
    ]
    verdicts = {name: answer[name] for name in ("deadline", "budget")}
    return {
        "plan": answer["plan"],
        "as_of": answer["as_of"],
        "quotes": quotes,
        "best_lines_usd": lines,
        "best_source": best["receipt"]["source_url"],
        **verdicts,
        "overruled": answer["overruled"],
        "warnings": [formats.clean(text, 120) for text in answer["warnings"][:2]],
        "excluded": sum(row["count"] for row in answer["excluded"]) or None,
    }

"""Option types that several commands share. The options of a quote are made from their one declaration in
`gpuledger.core.cost.options`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gpuledger.cli import completion
from gpuledger.cli.table import Format
from gpuledger.core.cost.options import QuoteOption
from gpuledger.core.cost.plan_options import question_options

FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        help="Output format; default: table on a terminal, else jsonl for lists, json for one.",
    ),
]
SourceNames = Annotated[
    list[str] | None, typer.Argument(help="Sources; all without.", autocompletion=completion.sources)
]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        "-p",
        help="Provider id; only these providers. Repeat for several; default: all.",
        autocompletion=completion.providers,
    ),
]
Region = Annotated[
    list[str] | None,
    typer.Option(
        "--region", "-r", help="Region code, ISO country or continent (eu). Repeat for several; default: all."
    ),
]
Tiers = Annotated[
    list[str] | None, typer.Option("--tier", help="secure or community. Repeat for both; default: all.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="A past date or time, ISO 8601, UTC without an offset; default: now."),
]
AllowStale = Annotated[
    bool, typer.Option("--allow-stale", help="Let prices past their freshness target win; default: no.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, help="Rows in the answer at most; default: no limit.")
]
Spot = Annotated[bool, typer.Option("--spot", help="Only spot; default: no.")]
OnDemand = Annotated[bool, typer.Option("--on-demand", help="Only on-demand; default: no.")]
Reserved = Annotated[
    bool, typer.Option("--reserved", help="Only reserved capacity and capacity blocks; default: no.")
]
Gpu = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        "-g",
        help="SPEC of the accelerators, [vendor:]NAME[:MEMORY][:COUNT]; default: all.",
        autocompletion=completion.accelerators,
    ),
]
SpecArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8.",
        autocompletion=completion.accelerators,
    ),
]
PlanArgument = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="A .toml, .json or .jsonl file, a preset, or - for standard input.",
        autocompletion=completion.plans,
    ),
]


OptionalPlan = Annotated[
    str | None,
    typer.Argument(
        metavar="[PLAN]",
        help="A .toml, .json or .jsonl file, a preset, or - for standard input; or --model instead.",
        autocompletion=completion.plans,
    ),
]


def purchase_options(*, spot: bool, on_demand: bool, reserved: bool) -> tuple[str, ...]:
    """The purchase options that the flags name; empty when none is given."""
    named = [("spot", spot), ("on_demand", on_demand), ("reserved", reserved), ("capacity_block", reserved)]
    return tuple(name for name, is_given in named if is_given)


_COMPLETIONS = {"gpu": completion.accelerators, "provider": completion.providers}
_TYPES: dict[str, Any] = {
    "text": str | None,
    "names": list[str] | None,
    "number": float | None,
    "usd": str | None,
    "count": int | None,
    "hours": str | None,
    "gib": str | None,
    "switch": bool,
}


def with_quote_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with a flag for every option of a quote, in place of its parameter `options`, which gets what was
    given by the options' names."""

    @functools.wraps(command)
    def run(**values: Any) -> None:
        bought = purchase_options(**{name: values.pop(name) for name in ("spot", "on_demand", "reserved")})
        inputs = {option.name: values.pop(option.name) for option in question_options() if option.flag}
        command(options={**inputs, "purchase_option": bought}, **values)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += _flags() if parameter.name == "options" else [parameter]
    signature = inspect.Signature(parameters)
    run.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
    run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    return run


def _flags() -> list[inspect.Parameter]:
    flags = [
        _parameter(
            option.name, _TYPES[option.kind], _told(option), False if option.kind == "switch" else None
        )
        for option in question_options()
        if option.flag
    ]
    kinds = (("spot", Spot), ("on_demand", OnDemand), ("reserved", Reserved))
    return flags + [_parameter(name, kind, None, False) for name, kind in kinds]


def _parameter(name: str, kind: Any, told: Any, default: Any) -> inspect.Parameter:
    annotation = kind if told is None else Annotated[kind, told]
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def _told(option: QuoteOption) -> Any:
    words = [word for word in (option.flag, option.short_flag) if word]
    repeat = " Repeat for several;" if option.kind == "names" else ""
    text = (
        f"{option.help}{repeat} {option.default_text}."
        if repeat
        else f"{option.help[:-1]}; {option.default_text}."
    )
    return typer.Option(
        *words,
        help=text,
        min=option.least if option.kind in ("number", "count") else None,
        max=option.most if option.kind in ("number", "count") else None,
        autocompletion=_COMPLETIONS.get(option.name),
    )

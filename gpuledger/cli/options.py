"""Arguments and options that several commands share, what a shell completes of them, and how PLAN and its flags are
read together. The options of a quote are made from their one declaration in `gpuledger.core.cost.options`."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuledger.cli import context
from gpuledger.cli.table import Format
from gpuledger.core.cost.options import PLAN_OPTIONS, QuoteOption, question_options
from gpuledger.core.errors import UsageError

if TYPE_CHECKING:
    from gpuledger.core.plan import TrainingPlan


# What a shell may complete beside commands and options: presets, plan files, accelerators,
# providers, sources.
#
# Each function takes what is typed so far. Nothing found is no answer: a shell must not see an error.

PLAN_FILES = (".toml", ".json", ".jsonl")


def complete_plans(incomplete: str) -> list[str]:
    """Presets, and files and folders that may hold plans."""
    from gpuledger.core.plan import presets

    folder, _, begun = incomplete.rpartition("/")
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    prefix = incomplete[: len(incomplete) - len(begun)]
    try:
        result = [entry for entry in place.iterdir() if entry.name.startswith(begun)]
    except OSError:
        result = []
    files = [f"{prefix}{entry.name}" for entry in result if entry.suffix in PLAN_FILES]
    folders = [
        f"{prefix}{entry.name}/" for entry in result if entry.is_dir() and not entry.name.startswith(".")
    ]
    return [*_beginning(presets(), incomplete), *sorted(files), *sorted(folders)]


def complete_accelerators(incomplete: str) -> list[str]:
    """Ids of accelerators."""
    from gpuledger.core.gpu import gpus

    return _beginning(gpus(), incomplete)


def complete_providers(incomplete: str) -> list[str]:
    """Providers of the newest snapshot."""
    from gpuledger.core.config import load_settings
    from gpuledger.core.errors import GPULedgerError
    from gpuledger.core.store import sql
    from gpuledger.core.store.home import Home
    from gpuledger.core.store.publish import reading

    try:
        with reading(Home(load_settings(os.environ).home)) as connection:
            return _beginning(
                (row["provider"] for row in sql.rows(connection, "queries/providers")), incomplete
            )
    except GPULedgerError:
        return []


def complete_sources(incomplete: str) -> list[str]:
    """Sources that can be refreshed."""
    from gpuledger.scrapers.registry import SOURCES

    return _beginning((source.name for source in SOURCES if source.requests), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Names in any case; what is typed stays as it is, as typer drops what does not begin with it."""
    typed = incomplete.lower()
    return [incomplete + name[len(typed) :] for name in names if name.startswith(typed)]


FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        help="Output format; default: table on a terminal, else jsonl for lists, json for one.",
    ),
]
SourceNames = Annotated[
    list[str] | None, typer.Argument(help="Sources; all without.", autocompletion=complete_sources)
]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        "-p",
        help="Provider id; only these providers. Repeat for several; default: all.",
        autocompletion=complete_providers,
    ),
]
Region = Annotated[
    list[str] | None,
    typer.Option(
        "--region", "-r", help="Region code, ISO country or continent (eu). Repeat for several; default: all."
    ),
]
Tiers = Annotated[
    list[str] | None,
    typer.Option(
        "--tier",
        help="secure, community, or a cloud's product (sagemaker). Repeat for several; default: all.",
    ),
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
SpotFlag = Annotated[bool, typer.Option("--spot", help="Only spot; default: no.")]
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
        autocompletion=complete_accelerators,
    ),
]
SpecArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8.",
        autocompletion=complete_accelerators,
    ),
]
OptionalSpec = Annotated[
    str | None,
    typer.Argument(
        metavar="[SPEC]",
        help="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8; the same as --gpu.",
        autocompletion=complete_accelerators,
        show_default=False,
    ),
]
PlanArgument = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="A .toml, .json or .jsonl file, a preset, or - for standard input.",
        autocompletion=complete_plans,
    ),
]


OptionalPlan = Annotated[
    str | None,
    typer.Argument(
        metavar="[PLAN]",
        help="A .toml, .json or .jsonl file, a preset, or - for standard input; or --model instead.",
        autocompletion=complete_plans,
    ),
]


def purchase_options(*, spot: bool, on_demand: bool, reserved: bool) -> tuple[str, ...]:
    """The purchase options that the flags name; empty when none is given."""
    named = [("spot", spot), ("on_demand", on_demand), ("reserved", reserved), ("capacity_block", reserved)]
    return tuple(name for name, is_given in named if is_given)


_COMPLETIONS = {"gpu": complete_accelerators, "provider": complete_providers}
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

    def bought_too(values: dict[str, Any]) -> dict[str, Any]:
        bought = purchase_options(**{name: values.pop(name) for name in ("spot", "on_demand", "reserved")})
        inputs = {option.name: values.pop(option.name) for option in question_options() if option.flag}
        return {**inputs, "purchase_option": bought}

    return _with_flags(command, _flags(question_options(), is_bought=True), bought_too)


def with_plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the flags that make or change a plan, in place of its parameter `options`."""

    def of_plan(values: dict[str, Any]) -> dict[str, Any]:
        return {option.name: values.pop(option.name) for option in PLAN_OPTIONS}

    return _with_flags(command, _flags(PLAN_OPTIONS, is_bought=False), of_plan)


def _with_flags(
    command: Callable[..., None],
    flags: list[inspect.Parameter],
    taken: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[..., None]:
    """The command with flags in place of its parameter `options`, which gets what is taken out of their values."""

    @functools.wraps(command)
    def run(**values: Any) -> None:
        options = taken(values)
        command(options=options, **values)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += flags if parameter.name == "options" else [parameter]
    signature = inspect.Signature(parameters)
    run.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
    run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    return run


def _flags(options: Sequence[QuoteOption], *, is_bought: bool) -> list[inspect.Parameter]:
    flags = [
        _parameter(
            option.name, _TYPES[option.kind], _option_info(option), False if option.kind == "switch" else None
        )
        for option in options
        if option.flag
    ]
    if not is_bought:
        return flags
    kinds = (("spot", SpotFlag), ("on_demand", OnDemand), ("reserved", Reserved))
    return flags + [_parameter(name, kind, None, False) for name, kind in kinds]


def _parameter(name: str, kind: Any, option_info: Any, default: Any) -> inspect.Parameter:
    annotation = kind if option_info is None else Annotated[kind, option_info]
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
    )


def _option_info(option: QuoteOption) -> Any:
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


# PLAN and the flags that make or change a plan, read together.


def plans_of(argument: str | None, options: dict[str, Any]) -> tuple[list[TrainingPlan], dict[str, Any]]:
    """The plans that PLAN and the flags of a plan mean together, and the options of the question."""
    from gpuledger import parse
    from gpuledger.core.cost.options import split
    from gpuledger.plan_files import with_files

    keys, rest = split(options)
    keys = with_files(_files_first(keys), Path()) if keys else keys
    if argument is None:
        return [parse.plan_with(None, keys)], rest
    return [parse.plan_with(plan, keys) for plan in context.plans(argument)], rest


def _files_first(keys: dict[str, Any]) -> dict[str, Any]:
    """Keys that name files, taken out of `--set`."""
    texts = [text.partition("=") for text in keys.get("set") or ()]
    named = {name.strip(): value.strip().strip("\"'") for name, _, value in texts}
    files = {
        name: value
        for name, value in named.items()
        if name in ("data", "tokenizer") or (name == "model" and value.endswith(".json"))
    }
    if not files:
        return keys
    rest = [text for text in keys["set"] if text.partition("=")[0].strip() not in files]
    return {**{name: value for name, value in keys.items() if name != "set"}, **files, "set": rest}


def one_of(argument: str | None, options: dict[str, Any]) -> tuple[TrainingPlan, dict[str, Any]]:
    """The one plan that is meant, and the options that were given.

    Raises:
        UsageError: there are several.
    """
    from gpuledger import parse

    plans, rest = plans_of(argument, options)
    chosen = {name: value for name, value in rest.items() if value not in (None, [], (), False)}
    return parse.one(plans, argument or "--model"), chosen


def one_spec(argument: str | None, option: str | None) -> str | None:
    """The accelerators that are meant, which may be said as an argument or as `--gpu`.

    Raises:
        UsageError: both ways, and not the same.
    """
    if argument is not None and option is not None and argument != option:
        raise UsageError(f"SPEC: {argument!r} and --gpu {option!r} are two; give one")
    return argument if option is None else option

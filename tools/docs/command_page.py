"""`docs/commands.md`, written from the command line: `python -m tools.docs.command_page > docs/commands.md`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click
import typer

from gpuledger.cli.main import app

HEAD = """# Commands

Written from the program by `make docs`; a test holds it to that. `gpuledger COMMAND --help` says the same.

Every command that answers takes `--format` (`-f`): `table`, `json`, `jsonl`, `csv` or `md`. Without it a terminal gets
a table, a pipe gets JSON lines for lists and JSON for one object. In JSON money is decimal text with the unit in the
key, and instants are ISO 8601 in UTC.

A SPEC names accelerators: `[vendor:]NAME[:MEMORY][:COUNT]`, with ranges, as in `H100`, `H100-SXM:8`, `A100:80GB` or
`nvidia:24GB..80GB:1..8`. Names are read as people and drivers write them (`H100NVL`, `A100-SXM4-80GB`, `Tesla T4`,
`4090`, `8xH100`), a memory within 8 % (`B200:192GB`). Part of a card is meant only where it is asked for (`A10:1/2`,
`RTX PRO 6000 MIG 1g`); a name of different cards (`RTX 6000`) is refused with their ids. A PLAN is a file (`.toml`,
`.json`, or `.jsonl` with many plans), the name of a preset, or `-` for standard input. Times are dates or ISO 8601;
without an offset they are UTC.

| Exit code | Means |
| --- | --- |
| 0 | answered |
| 1 | nothing found, or it does not fit |
| 2 | the question or the plan is wrong; `audit`: something is broken |
| 3 | prices are stale (`status --exit-code`, `audit`) |
| 4 | a source failed |
"""

GROUPS = {
    "prices": "Prices",
    "history": "Past prices",
    "plans": "Plans",
    "outlook": "What may come of a plan",
    "decisions": "Decisions",
    "actuals": "What was paid",
    "serving": "Serving",
    "runs": "Own runs",
    "sources": "Sources",
    "poll": "Sources at minutes",
    "documents": "Documents",
    "release": "Releases",
    "evidence": "Evidence",
    "upkeep": "Upkeep",
    "serve": "Servers",
}
"""Headings, by the module that a command is written in; modules that are not named come last."""
OTHERS = "Others"


def page() -> str:
    """The page as Markdown: the program's own options, then every command under its heading."""
    program = typer.main.get_command(app)
    found: dict[str, list[str]] = {heading: [] for heading in (*GROUPS.values(), OTHERS)}
    for name, command in commands(program):
        module = inspect.getmodule(inspect.unwrap(command.callback)) if command.callback else None
        stem = module.__name__.rpartition(".")[2] if module else ""
        found[GROUPS.get(stem, OTHERS)].append(_section(name, command))
    sections = "".join(f"\n## {heading}\n{''.join(texts)}" for heading, texts in found.items() if texts)
    return (
        f"{HEAD}\n## Options of the program\n\nBefore the command's name.\n\n{_parameters(program)}{sections}"
    )


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands by what one types, those of groups as `budget diff`."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), command


def _section(name: str, command: click.Command) -> str:
    arguments = [_argument(one) for one in command.params if isinstance(one, click.Argument)]
    said = " ".join((command.help or "").split())
    usage = " ".join(["gpuledger", name, *arguments])
    return f"\n### {name}\n\n`{usage}`\n\n{said}\n\n{_parameters(command)}"


def _argument(argument: click.Argument) -> str:
    shown = argument.make_metavar(click.Context(click.Command("shown")))
    return shown if argument.required or shown.startswith("[") else f"[{shown}]"


def _parameters(command: click.Command) -> str:
    rows = [_row(one) for one in command.params if not _is_help(one)]
    if not rows:
        return ""
    return (
        "| Argument or option | Value | If left out | What it says |\n| --- | --- | --- | --- |\n"
        + "".join(rows)
    )


def _is_help(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and "--help" in parameter.opts


def _row(parameter: click.Parameter) -> str:
    said = str(getattr(parameter, "help", None) or "").replace("|", "\\|").replace("\n", " ")
    if isinstance(parameter, click.Option):
        name = ", ".join(f"`{flag}`" for flag in sorted(parameter.opts, key=len, reverse=True))
        value = "" if parameter.is_flag else _value(parameter)
    else:
        name, value = f"`{parameter.human_readable_name.strip('[]')}`", _value(parameter)
    return f"| {name} | {value} | {_default(parameter)} | {said} |\n"


def _value(parameter: click.Parameter) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return " ".join(f"`{getattr(choice, 'value', choice)}`" for choice in kind.choices)
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    between = (
        ""
        if low is None and high is None
        else f", {'' if low is None else low}..{'' if high is None else high}"
    )
    return f"{kind.name.removesuffix(' range')}{between}{', repeat' if parameter.multiple else ''}"


def _default(parameter: click.Parameter) -> str:
    default = parameter.default
    if parameter.required:
        return "required"
    if default is None or default is False or callable(default) or default == ():
        return ""
    shown = getattr(default, "value", default)
    return f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`"


if __name__ == "__main__":
    sys.stdout.write(page())

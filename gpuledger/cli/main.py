"""The `gpuledger` command: composition only. Each group of commands registers itself.

Importing this file loads typer and nothing else of weight; a test holds that.
"""

from __future__ import annotations

import copy
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import click
import typer
from typer.models import CommandInfo

from gpuledger.cli import (
    actuals,
    context,
    documents,
    evidence,
    history,
    outlook,
    plans,
    prices,
    release,
    runs,
    serve,
    serving,
    sources,
    upkeep,
)

COMPLETION = "_GPULEDGER_COMPLETE"
"""Set by a shell that asks for completions."""

app = typer.Typer(
    name="gpuledger",
    help="What GPU clouds charge, since when, and what a training plan costs with it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: the rich one takes longer to load than everything else that --help needs.
    rich_markup_mode=None,
    # click suggests by itself; typer would say the same once more
    suggest_commands=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(selection: bool) -> None:
    if selection:
        from importlib.metadata import version

        typer.echo(f"gpuledger {version('gpuledger')}")
        raise typer.Exit


@app.callback()
def program(
    home: Annotated[Path | None, typer.Option(help="Where the ledger lives [GPULEDGER_HOME].")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file [GPULEDGER_CONFIG].")] = None,
    no_history: Annotated[
        bool,
        typer.Option(
            "--no-history",
            help="Start a new ledger without the bundled history of prices [GPULEDGER_BUNDLED_HISTORY=off].",
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What GPU clouds charge, since when, and what a training plan costs with it."""
    context.set_flags(home, config, history=not no_history)


prices.register(app)
plans.register(app)
outlook.register(app)
history.register(app)
sources.register(app)
documents.register(app)
evidence.register(app)
actuals.register(app)
runs.register(app)
serving.register(app)
upkeep.register(app)
release.register(app)
serve.register(app)


def main() -> None:
    """Entry point of the installed command. What is typed wrongly gets one line, like every other error."""
    try:
        code = _program(sys.argv[1:])(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "gpuledger"
        context.say(f"error: {error.format_message()} See `{path} --help`.")
        code = error.exit_code
    except click.Abort:
        code = context.NOTHING
    raise SystemExit(code)


def _program(words: Sequence[str]) -> typer.Typer:
    """The program with the signatures of those commands alone that may be meant: reading all of them takes
    half as long as a lookup. The others are there for the help, by name and first line."""
    if COMPLETION in os.environ:
        return app
    program = copy.copy(app)
    program.registered_commands = [
        info if _name(info) in words else _for_help(info) for info in app.registered_commands
    ]
    return program


def _name(info: CommandInfo) -> str:
    return info.name or getattr(info.callback, "__name__", "").replace("_", "-")


def _for_help(info: CommandInfo) -> CommandInfo:
    shown = copy.copy(info)
    shown.name = _name(info)
    shown.help = inspect.getdoc(info.callback)
    shown.callback = _unasked
    return shown


def _unasked() -> None:
    """Stands for a command that this invocation cannot run, because its name is not among the words."""

"""The `gpuledger` command: composition only. Each group of commands registers itself when one of them is asked for.

Importing this file loads typer and nothing else of weight; a test holds that.
"""

from __future__ import annotations

import atexit
import copy
import inspect
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import click
import typer
from typer.models import CommandInfo

from gpuledger.cli import context

COMPLETION = "_GPULEDGER_COMPLETE"
"""Set by a shell that asks for completions."""

COMMANDS = {
    "prices": "overview offers cheapest history index gpus providers regions sql",
    "plans": "quote compare estimate presets lint explain",
    "decisions": "claims build-or-buy own-or-rent reserve size calibrate budget",
    "outlook": "drivers check watch plan",
    "history": "import timing export",
    "sources": "refresh status sources unmapped alias deploy",
    "poll": "poll",
    "documents": "replay parse",
    "evidence": "disputes accept reject",
    "actuals": "actual",
    "serving": "serve-cost token-prices",
    "runs": "watch-run accuracy availability",
    "upkeep": "audit compact publish migrate-store backup restore repair",
    "release": "release verify pull",
    "serve": "serve mcp",
}
"""Modules of `gpuledger.cli` and the commands that each registers, in the order of the help."""

READER_GONE = 141
"""The exit code of a command whose reader closed the pipe before the end (`| head -1`): 128 and the number of SIGPIPE,
as of other programs. 1 would say that nothing was found, 0 that a gate was passed."""

if TYPE_CHECKING:
    app: typer.Typer


def _version(selection: bool) -> None:
    if selection:
        from importlib.metadata import version

        typer.echo(f"gpuledger {version('gpuledger')}")
        raise typer.Exit


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


@cache
def whole_program() -> typer.Typer:
    """The program with all of its commands."""
    return _with(COMMANDS)


def __getattr__(name: str) -> typer.Typer:
    """`app`, the whole program: made when somebody asks for it, because a lookup needs one command only."""
    if name == "app":
        return whole_program()
    raise AttributeError(name)


def _with(modules: Iterable[str]) -> typer.Typer:
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
    app.callback()(program)
    for module in modules:
        import_module(f"gpuledger.cli.{module}").register(app)
    return app


def run() -> NoReturn:
    """Entry point of the installed command: `main`, and then an end without taking the process apart piece by piece,
    which takes a fifth of the time of a lookup. What was left to be done at the end is done first."""
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    works_on = [one for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
    if works_on or not isinstance(code, int):
        raise SystemExit(code)
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # Python says it in its own way
        raise SystemExit(code) from None
    os._exit(code)


def main() -> NoReturn:
    """Run the command that the process was started with. What is typed wrongly gets one line, as every error does."""
    try:
        code = _program(sys.argv[1:])(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "gpuledger"
        context.say(f"error: {error.format_message()} See `{path} --help`.")
        code = error.exit_code
    except SystemExit as ended:
        # typer ends with 1 where it cannot write
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        code = READER_GONE
    except click.Abort:
        context.say("stopped: an answer is needed, and there was none")
        code = context.NOTHING
    raise SystemExit(code)


def _program(words: Sequence[str]) -> typer.Typer:
    """The program with that command alone which is asked for: to load and read all of them takes as long as a lookup.
    For the help the others are there by name and first line."""
    if COMPLETION in os.environ:
        return whole_program()
    name = _asked_command(words)
    for module, names in COMMANDS.items():
        if name in names.split():
            app = _with([module])
            app.registered_commands = [info for info in app.registered_commands if _name(info) == name]
            app.registered_groups = [info for info in app.registered_groups if info.name == name]
            return app
    app = copy.copy(whole_program())
    app.registered_commands = [_for_help(info) for info in app.registered_commands]
    return app


def _asked_command(words: Sequence[str]) -> str | None:
    """The first word that is neither an option of the program nor the value of one."""
    is_value = False
    for word in words:
        if is_value or word.startswith("-"):
            is_value = not is_value and word in ("--home", "--config")
            continue
        return word
    return None


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

"""The `gpuledger` command: composition only. Each group of commands registers itself.

Importing this file loads typer and nothing else of weight; a test holds that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from app import context, history_commands, plan_commands, price_commands, serve_commands, source_commands

app = typer.Typer(
    name="gpuledger",
    help="What GPU clouds charge, since when, and what a training plan costs with it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: the rich one takes longer to load than everything else that --help needs.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"gpuledger {version('gpuledger')}")
        raise typer.Exit


@app.callback()
def program(
    home: Annotated[Path | None, typer.Option(help="Where the ledger lives [GPULEDGER_HOME].")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file [GPULEDGER_CONFIG].")] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What GPU clouds charge, since when, and what a training plan costs with it."""
    context.set_flags(home, config)


price_commands.register(app)
plan_commands.register(app)
history_commands.register(app)
source_commands.register(app)
serve_commands.register(app)


def main() -> None:
    """Entry point of the installed command. What is typed wrongly gets one line, like every other error."""
    try:
        code = app(standalone_mode=False)
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

"""What every command starts from: settings, the ledger's home, the clock, and how errors end a command.

Imports of anything slow stay inside the functions: a lookup answers before they would have loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from gpuledger.core import errors

if TYPE_CHECKING:
    from gpuledger.cli.table import Format
    from gpuledger.core.config import Settings
    from gpuledger.core.plan import TrainingPlan
    from gpuledger.core.store.home import Home
    from gpuledger.flows.ledger import LedgerWriter
    from gpuledger.ledger import Ledger

OK, NOTHING, USAGE, STALE, SOURCE_FAILED = 0, 1, 2, 3, 4
"""Exit codes; other programs rely on them."""

PLAN_FILES = (".toml", ".json", ".jsonl")

# first match decides, so the special ones come first
EXIT_CODES: tuple[tuple[type[errors.GPULedgerError], int], ...] = (
    (errors.UnknownGPUError, USAGE),
    (errors.InvalidPlanError, USAGE),
    (errors.EstimateError, NOTHING),
    (errors.SourceError, SOURCE_FAILED),
    (errors.MissingCredentialError, SOURCE_FAILED),
    (errors.EmptyLedgerError, NOTHING),
    (errors.GPULedgerError, USAGE),
)

# set by the flags of the program itself, before any command runs
_flags: dict[str, Path | None] = {"home": None, "config": None}
_switches: dict[str, bool] = {"history": True}


def set_flags(home: Path | None, config: Path | None, *, history: bool = True) -> None:
    """Remember the program's own flags for this invocation."""
    _flags.update(home=home, config=config)
    _switches.update(history=history)


def settings() -> Settings:
    """The settings of this invocation."""
    from gpuledger.core.config import load_settings

    loaded_settings = load_settings(os.environ, home=_flags["home"], config=_flags["config"])
    return loaded_settings if _switches["history"] else replace(loaded_settings, history=False)


def home() -> Home:
    """Where the ledger lives."""
    from gpuledger.core.store.home import home_of

    return home_of(settings())


def now() -> datetime:
    """The clock; everything below takes it as an argument."""
    return datetime.now(UTC)


def ledger() -> Ledger:
    """The ledger that answers every question."""
    from gpuledger.ledger import Ledger

    return Ledger(home(), clock=now, environ=os.environ, say=say)


def writer() -> LedgerWriter:
    """The ledger with all sources, for commands that write. Loads the adapters."""
    from gpuledger.core.store.sql import say_that_pandas_is_missing
    from gpuledger.flows.ledger import LedgerWriter
    from gpuledger.scrapers.archives.registry import EVERY_SOURCE

    say_that_pandas_is_missing()
    return LedgerWriter(home=home(), sources=EVERY_SOURCE, clock=now)


def begun_writer() -> LedgerWriter:
    """The same for commands that add to a ledger: like a first question they begin a new one with what ships with the
    program, which nothing would bring in after something else was published."""
    from gpuledger.flows.imports import load_bundled

    ledger = writer()
    load_bundled(ledger)
    return ledger


def say(text: str) -> None:
    """A remark for the person, on standard error."""
    sys.stderr.write(f"{text}\n")


def fail(error: errors.GPULedgerError) -> NoReturn:
    """One clear line, and the exit code that its class stands for."""
    say(f"error: {error}")
    raise typer.Exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))


@contextmanager
def answering() -> Generator[None]:
    """Turns our errors into a line and an exit code; wrap a command's body in it."""
    try:
        yield
    except errors.GPULedgerError as error:
        fail(error)


def as_of(text: str | None) -> datetime | None:
    """The past time of the flag `--as-of`.

    Raises:
        UsageError: not ISO 8601, or in the future.
    """
    from gpuledger import parse

    return parse.past(text, "--as-of", now())


def require(*modules: str, extra: str) -> None:
    """Fail with one line that names the extra to install, if one of its modules is missing."""
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise errors.ConfigError(f"{missing[0]} is not installed; pip install 'gpuledger[{extra}]'")


def instant(text: str | None, flag: str) -> datetime | None:
    """A date or a time from another flag.

    Raises:
        UsageError: not ISO 8601.
    """
    from gpuledger import parse

    return parse.instant(text, flag)


def is_for_people(format: Format | None) -> bool:
    """Whether a person reads the answer, and not a program."""
    return format in ("table", "md") or (format is None and sys.stdout.isatty())


def text_of(path: Path, what: str) -> str:
    """The text of a file that an argument or flag names.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise errors.UsageError(f"{what}: cannot read {path}: {reason}") from error


def is_preset(argument: str) -> bool:
    """Whether PLAN is no file and no standard input, and so a preset's name."""
    path = Path(argument)
    return argument != "-" and path.suffix not in PLAN_FILES and not path.is_file()


def plans(argument: str) -> list[TrainingPlan]:
    """The plans that PLAN means: a file, a preset or standard input; more than one only from JSON lines. Files that a
    plan names are looked for beside it.

    Raises:
        InvalidPlanError: a plan is wrong; names the line where there are several.
        UsageError: the file cannot be read.
    """
    from gpuledger import parse
    from gpuledger.core.plan import preset_parts, preset_plan

    if argument == "-":
        return parse.plans(sys.stdin.read(), "standard input", Path())
    path = Path(argument)
    if path.suffix in PLAN_FILES or path.is_file():
        return parse.plans(text_of(path, "PLAN"), argument, path.parent)
    if "/" in argument and preset_parts(argument) is None:
        raise errors.UsageError(f"PLAN: no file and no preset {argument!r}")
    return [preset_plan(argument)]


def one_plan(argument: str) -> TrainingPlan:
    """The plan that PLAN means.

    Raises:
        InvalidPlanError: the plan is wrong.
        UsageError: the file cannot be read, or holds several plans.
    """
    from gpuledger import parse

    return parse.one(plans(argument), argument)

"""What every command starts from: settings, the ledger's home, the clock, and how errors end a command.

Imports of anything slow stay inside the functions: a lookup answers before they would have loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from gpuledger.core import errors

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.config import Settings
    from gpuledger.core.store.database import Home
    from gpuledger.flows.pipeline import Ledger

OK, NOTHING, USAGE, STALE, SOURCE_FAILED = 0, 1, 2, 3, 4
"""Exit codes; other programs rely on them."""

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


def set_flags(home: Path | None, config: Path | None) -> None:
    """Remember the program's own flags for this invocation."""
    _flags.update(home=home, config=config)


def settings() -> Settings:
    """The settings of this invocation."""
    from gpuledger.core.config import load_settings

    return load_settings(os.environ, home=_flags["home"], config=_flags["config"])


def home() -> Home:
    """Where the ledger lives."""
    from gpuledger.core.store.database import home_of

    return home_of(settings())


def now() -> datetime:
    """The clock; everything below takes it as an argument."""
    return datetime.now(UTC)


def ledger() -> Ledger:
    """The ledger with all sources, for commands that write. Loads the adapters."""
    from gpuledger.flows.pipeline import Ledger
    from gpuledger.scrapers.archives.registry import EVERY_SOURCE

    return Ledger(home=home(), sources=EVERY_SOURCE, clock=now)


@contextmanager
def snapshot() -> Generator[duckdb.DuckDBPyConnection]:
    """The newest snapshot. On a first use the bundled list makes one, after an upgrade the ledger makes one
    anew, and this says so."""
    from gpuledger.core.store import sql
    from gpuledger.core.store.publish import opened

    where = home()
    try:
        connection = opened(where)
    except (errors.EmptyLedgerError, errors.OutdatedError) as error:
        make_readable(error)
        connection = opened(where)
    try:
        with sql.told(f"read the snapshot in {where.snapshots}"):
            yield connection
    finally:
        connection.close()


def make_readable(why: errors.EmptyLedgerError | errors.OutdatedError) -> None:
    """Publish what readers lack: the bundled list in a new ledger, the old rows after an upgrade."""
    if isinstance(why, errors.OutdatedError):
        from gpuledger.flows.publish import publish_news

        publish_news(ledger())
        say("the ledger was written by another release: brought it to this one")
        return
    from gpuledger.flows.lists import load_bundled

    made = ledger()
    load_bundled(made)
    if made.home.follows is not None:
        return
    say("no ledger yet: started one from the bundled price list; `gpuledger refresh` fetches live prices")


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


def require(*modules: str, extra: str) -> None:
    """Fail with one line that names the extra to install, if one of its modules is missing."""
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise errors.ConfigError(f"{missing[0]} is not installed; pip install 'gpuledger[{extra}]'")


def instant(text: str | None, flag: str) -> datetime | None:
    """A date or a time from a flag; without an offset it is UTC.

    Raises:
        UsageError: not ISO 8601.
    """
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise errors.UsageError(
            f"{flag}: {text!r} is no date or time, as in 2026-03-15 or 2026-03-15T12:00Z"
        ) from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

"""Ledgers that many tests begin with, made once for all workers of a run and copied into a test's home.

To migrate a database, or to load the bundled list, takes longer than most tests take in all.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from gpuledger.core.alias import Alias
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate

_run: list[Path] = []
"""The folder of this run, which its workers share."""


@pytest.fixture(scope="session", autouse=True)
def templates(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "templates"
    folder.mkdir(exist_ok=True)
    _run[:] = [folder]


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker to ask for it makes; only to be read or copied, and no database in it opened to
    write.

    Args:
        name: tells it from all others of the run.
        make: fills the folder that it is given.
    """
    made = _run[0] / name
    with (_run[0] / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = _run[0] / f"{name}.making"
            shutil.rmtree(making, ignore_errors=True)  # of a worker that died, or of a test that failed
            making.mkdir()
            make(making)
            making.rename(made)
    return made


def copy_once(name: str, make: Callable[[Path], None], target: Path) -> Path:
    """A copy of such a folder: `target`, which may exist."""
    shutil.copytree(made_once(name, make), target, dirs_exist_ok=True)
    return target


def start_migrated(home: Home, sources: Iterable[SourceRow], aliases: Iterable[Alias]) -> None:
    """Give a new home its database, without a row; a home of a shared store is left to make its own."""
    if home.lake is None:
        home.create()
        # The original is closed, and no test opens it: copying an open database drops its lock.
        shutil.copyfile(_migrated(tuple(sources), tuple(aliases)), home.database)


@cache
def _migrated(sources: tuple[SourceRow, ...], aliases: tuple[Alias, ...]) -> Path:
    def make(folder: Path) -> None:
        with turn(Home(folder)), writing(Home(folder)) as connection:
            migrate(connection, sources=sources, aliases=aliases)

    digest = hashlib.sha256(repr((sources, aliases)).encode()).hexdigest()
    return Home(made_once(f"migrated-{digest[:16]}", make)).database


def start_bundled(folder: Path, *, now: datetime, has_history: bool = False) -> Path:
    """Give a folder the ledger that a first command at that time makes; returns the folder."""
    from gpuledger.flows.imports import load_bundled
    from gpuledger.flows.ledger import LedgerWriter
    from gpuledger.scrapers.archives.registry import EVERY_SOURCE

    def make(home: Path) -> None:
        load_bundled(
            LedgerWriter(home=Home(home, has_history=has_history), sources=EVERY_SOURCE, clock=lambda: now)
        )

    name = f"bundled-{'with' if has_history else 'without'}-history-{now:%Y%m%dT%H%M%S}"
    return copy_once(name, make, folder)


def this_hour() -> datetime:
    """The time of ledgers that are asked by the machine's own clock."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

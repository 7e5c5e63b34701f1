"""A database at this release, copied into a test's home: to migrate one takes longer than most tests take in all."""

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gpuledger.core.alias import Alias
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate


def start_migrated(home: Home, sources: Iterable[SourceRow], aliases: Iterable[Alias]) -> None:
    """Give a new home its database, without a row; a home of a shared store is left to make its own."""
    if home.lake is None:
        home.create()
        # The original is closed, and no test opens it: copying an open database drops its lock.
        shutil.copyfile(_migrated(tuple(sources), tuple(aliases)), home.database)


@cache
def _migrated(sources: tuple[SourceRow, ...], aliases: tuple[Alias, ...]) -> Path:
    home = Home(_folder() / f"{len(list(_folder().iterdir()))}")
    with turn(home), writing(home) as connection:
        migrate(connection, sources=sources, aliases=aliases)
    return home.database


@cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="gpuledger-template-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made

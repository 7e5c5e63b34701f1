"""Whose the files of a folder are: those of a release, and others, which it neither overwrites nor publishes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gpuledger.core.errors import StoreError
from gpuledger.release.layout import CHAIN, NOT_LISTED, PRICES

UNFINISHED = ".unfinished"
"""Stands in the folder while a release is written into it. Once something is in it, what lies under the names of a
release is the release's, though no manifest binds it yet."""


def other_files(folder: Path, own: Collection[str]) -> list[str]:
    """Files in the folder that are not of the release in it; hidden ones are nobody's business.

    Args:
        own: paths of the release's files.
    """
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(place).relative_to(folder)
        names += [(here / name).as_posix() for name in sorted(files) if not name.startswith(".")]
    return [name for name in names if name not in own and name not in NOT_LISTED and name != CHAIN]


class Mark:
    """The mark of a writer in a folder."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.is_begun = file.seek(0, os.SEEK_END) > 0
        """Whether a release began to write here and did not end."""

    def begin(self) -> None:
        """Say, before the first file is written, that files will be there which no manifest binds."""
        if not self.is_begun:
            self._file.write("begun\n")
            self._file.flush()
            self.is_begun = True


@contextmanager
def one_writer(folder: Path) -> Generator[Mark]:
    """Keep other releases out of the folder. What is broken off keeps its mark, once it began to write.

    Raises:
        StoreError: another process writes a release into it.
    """
    path = folder / UNFINISHED
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"another process writes a release into {folder}; wait until it ends") from None
        mark = Mark(file)
        try:
            yield mark
        except BaseException:
            if not mark.is_begun:
                path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)


def refuse_others(folder: Path, names: Collection[str], own: Collection[str]) -> None:
    """Nothing that somebody else put there is overwritten, and no month of somebody else's stands among the months.

    Args:
        names: paths that are about to be written.
        own: paths of the release that is there.

    Raises:
        StoreError: a file is in the way; names it.
    """
    others = [name for name in names if name not in own and os.path.lexists(folder / name)]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise StoreError(
            f"{folder / others[0]}{more} would be overwritten and is of no release; name an empty folder, "
            "the folder of a release with its manifest.json, or move it away"
        )
    months = [
        name
        for name in other_files(folder, own)
        if name.startswith(f"{PRICES}/") and name.endswith(".parquet") and name not in names
    ]
    if months:
        raise StoreError(
            f"{folder / months[0]} is of no release, and who reads {PRICES}/*.parquet would read it; move it away"
        )

"""Files that are whole or not there: written beside their place, then renamed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from gpuledger.core.errors import StoreError

TEMPORARY = ".new-"
"""How the names of files begin that are being written."""


_FICLONE = 0x40049409
"""ioctl of Linux that makes one file share the blocks of another (linux/fs.h)."""


def copy_file(source: Path, target: Path) -> bool:
    """Copy a file's bytes. Where the file system can share blocks between files (XFS, Btrfs, bcachefs), nothing is
    written until one of the two changes; then it is true.

    Raises:
        OSError: the disk refused.
    """
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            shutil.copyfile(source, target)
            return False
    return True


def write_whole(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """All of it or nothing; the folder is made where there is none.

    Args:
        is_durable: flush to disk before the name is there, so that a power cut leaves no empty file. What can be made
            again need not wait for it.

    Raises:
        StoreError: the disk refused.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            let_go(Path(temporary))
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def delete(path: Path) -> None:
    """Make sure that no file is there.

    Raises:
        StoreError: the disk refused.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot delete {path}: {error.strerror}") from error


def let_go(path: Path) -> bool:
    """Delete what harms nobody where it stays, such as what a failed write left behind; whether it went. A disk that
    refuses this as well must not hide what was wrong before."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True

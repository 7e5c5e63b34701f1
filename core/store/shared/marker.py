"""A shared store knows itself: a small file with its id stands in each of its folders.

Where the file is missing, the folder is a mount point without its mount, or another folder, and must not be written: an
empty store would take all that is recorded, and other machines would look for files that only this one has.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import NotMountedError

NAME = ".gpuledger-store"


def folders(address: LakeAddress) -> tuple[Path, ...]:
    """The folders that all machines see. What lies in S3 cannot be unmounted."""
    data = () if address.data.startswith("s3:") else (Path(address.data),)
    return (*data, address.archive)


def read_marker(folder: Path) -> str | None:
    """The id in that folder, if it has one.

    Raises:
        NotMountedError: it cannot be read.
    """
    try:
        return (folder / NAME).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise NotMountedError(f"cannot read {folder / NAME} of the shared store: {error}") from error


def check_marker(address: LakeAddress, store_id: str) -> None:
    """Make sure that the folders are those of that store.

    Raises:
        NotMountedError: one is not mounted, or is another store's.
    """
    for folder in folders(address):
        seen = read_marker(folder)
        if seen is None:
            raise NotMountedError(
                f"{folder} is not mounted: the shared store's mark {NAME} is missing there; mount it, nothing was"
                " written"
            )
        if seen != store_id:
            raise NotMountedError(
                f"{folder} belongs to another shared store ({seen}, not {store_id}): mount the right folder, or"
                " correct the setting store"
            )


@contextmanager
def making(address: LakeAddress, store_id: str) -> Generator[None]:
    """Mark the folders of a store that is made inside; where the catalogue refuses it, no folder and no mark is left of
    it. Only whoever makes the store calls this.

    Raises:
        NotMountedError: they cannot be written.
    """
    new = [folder for folder in folders(address) if not folder.exists()]
    make(address, store_id)
    try:
        yield
    except BaseException:
        with suppress(OSError, NotMountedError):
            for folder in folders(address):
                if read_marker(folder) == store_id:
                    (folder / NAME).unlink()
        for folder in new:
            # what another machine wrote there meanwhile stays
            with suppress(OSError):
                folder.rmdir()
        raise


def make(address: LakeAddress, store_id: str) -> None:
    """Mark the folders of a store; only inside the turn of everything.

    Raises:
        NotMountedError: they cannot be written.
    """
    for folder in folders(address):
        try:
            # Not its parents: those are the mount.
            folder.mkdir(exist_ok=True)
            temporary = folder / f"{NAME}.{os.getpid()}.new"
            temporary.write_text(store_id + "\n", encoding="ascii")
            temporary.replace(folder / NAME)
        except OSError as error:
            raise NotMountedError(
                f"cannot use {folder} as a folder of the shared store: {error.strerror}"
            ) from error

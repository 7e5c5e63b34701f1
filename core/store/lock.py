"""Taking turns across processes by `flock`: the kernel gives a turn back when its holder dies, however it
dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gpuledger.core.errors import StoreBusyError, StoreError


@contextmanager
def held(path: Path, *, wait_seconds: float, whose: str) -> Generator[None]:
    """Hold the lock of that file; the file stays, empty.

    Args:
        whose: who else may hold it, for the message, such as "another writer".

    Raises:
        StoreBusyError: it was not given back within `wait_seconds`.
        StoreError: the file cannot be written.
    """
    deadline = time.monotonic() + wait_seconds
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreBusyError(f"{whose} has held {path} for {wait_seconds:g} s") from None
                time.sleep(0.02)
        yield

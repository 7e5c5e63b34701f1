"""The rim of the simulated machine: its files, its databases, its clocks. Everything that the program does there is
counted, and at any of these operations the machine can be killed, lose its power, run out of disk, or let another
process go first.

A kill is real: what the folder holds at that moment is copied, the exception unwinds through the program on the old
folder, and the copy takes its place. So whatever `finally` and `except` do to the disk is undone.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.store import database
from gpuledger.flows import pipeline
from tests.conftest import Clock

REAL = {
    "open": io.open,
    "os_open": os.open,
    "fdopen": os.fdopen,
    "fsync": os.fsync,
    "replace": os.replace,
    "rename": os.rename,
    "unlink": os.unlink,
    "mkdir": os.mkdir,
    "connect": duckdb.connect,
}
SNAPSHOT = "prices-"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class KilledError(BaseException):
    """The process ends here; no `except Exception` may see it."""


@dataclass
class Plan:
    """What is to happen during one step; operations count from 1, 0 is never."""

    kill_at: int = 0
    is_power_cut: bool = False
    fail_at: int = 0
    fail_with: int = errno.ENOSPC
    fails: int = 1
    """How many operations fail from there on."""
    most_bytes: int | None = None
    """No file may grow beyond this, those of DuckDB neither."""
    other_at: int = 0
    other: Callable[[], None] = lambda: None
    """Another process, which goes first there."""


@dataclass
class Rim:
    """The machine of one seed."""

    root: Path
    clock: Clock
    chance: random.Random
    plan: Plan = field(default_factory=Plan)
    count: int = 0
    is_dead: bool = False
    is_off: bool = True
    """Whether operations are neither counted nor disturbed."""
    last: str = ""
    _unsynced: dict[int, Path] = field(default_factory=dict)
    """By inode, files whose bytes a power cut may take."""
    _handles: dict[int, Path] = field(default_factory=dict)
    _connections: list[Any] = field(default_factory=list)
    _files: list[Any] = field(default_factory=list)
    _thread: int = field(default_factory=threading.get_ident)

    def is_inside(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{self.root}{os.sep}")

    def reach(self, what: str, path: object = "") -> None:
        """One operation is about to happen."""
        if self.is_off or self.is_dead or threading.get_ident() != self._thread:
            return
        self.count += 1
        self.last = f"{self.count} {what} {Path(os.fspath(path)).name if path else ''}"
        plan = self.plan
        if self.count == plan.kill_at:
            self._die()
            raise KilledError(self.last)
        if self.count == plan.other_at:
            self.is_off = True
            try:
                plan.other()
            finally:
                self.is_off = False
        # who deletes needs no room
        is_spared = not path or (what == "unlink" and plan.fail_with in NO_ROOM)
        if plan.fail_at and plan.fail_at <= self.count < plan.fail_at + plan.fails and not is_spared:
            if what == "connect":
                raise duckdb.IOException(f"IO Error: Could not open {path}: {os.strerror(plan.fail_with)}")
            raise OSError(plan.fail_with, os.strerror(plan.fail_with), os.fspath(path))

    def _die(self) -> None:
        """Keep what the disk holds now; from here on nothing that the process does counts."""
        self.is_dead = True
        keep = self._keep
        shutil.rmtree(keep, ignore_errors=True)
        for folder, _, names in os.walk(self.root):
            target = keep / Path(folder).relative_to(self.root)
            REAL["mkdir"](target)
            for name in names:
                path = Path(folder) / name
                # snapshots are never written in place
                if name.startswith(SNAPSHOT) and name.endswith(".duckdb"):
                    os.link(path, target / name)
                else:
                    shutil.copy2(path, target / name)
                    if self.plan.is_power_cut and path.stat().st_ino in self._unsynced:
                        os.truncate(target / name, self.chance.randint(0, path.stat().st_size))

    @property
    def _keep(self) -> Path:
        return self.root.with_name(self.root.name + ".kept")

    @contextmanager
    def step(self, plan: Plan) -> Iterator[None]:
        """Run what is inside under a plan. A killed step ends in silence, with the disk as the kill left it."""
        self.plan, self.count, self.is_dead, self.is_off = plan, 0, False, False
        # what earlier steps wrote has reached the disk by now
        self._unsynced.clear()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if plan.most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (plan.most_bytes, before[1]))
        try:
            yield
        except BaseException:
            if not self.is_dead:
                raise
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            self.is_off = True
            self._end_of_step()

    def _end_of_step(self) -> None:
        for connection in self._connections:
            with suppress(duckdb.Error):
                connection.close()
        self._connections.clear()
        for file in self._files:
            with suppress(OSError):
                file.close()
        self._files.clear()
        for handle in self._handles:
            with suppress(OSError):
                os.close(handle)
        self._handles.clear()
        if self.is_dead:
            shutil.rmtree(self.root)
            REAL["rename"](self._keep, self.root)
            self._unsynced.clear()

    # --- what the program calls ---

    def open(self, file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        writes = any(letter in mode for letter in "wax+")
        path = self._handles.pop(file, None) if isinstance(file, int) else file
        if not writes or path is None or not self.is_inside(path):
            return REAL["open"](file, mode, *args, **more)
        self.reach("open", path)
        real = REAL["open"](file, mode, *args, **more)
        self._files.append(real)
        return _Written(self, Path(path), real)

    def os_open(self, path: Any, flags: int, *args: Any, **more: Any) -> int:
        is_written = self.is_inside(path) and flags & (os.O_WRONLY | os.O_RDWR)
        if is_written:
            self.reach("create", path)
        handle = REAL["os_open"](path, flags, *args, **more)
        if is_written:
            self._handles[handle] = Path(path)
            self.written(handle, Path(path))
        return handle

    def fdopen(self, handle: int, *args: Any, **more: Any) -> Any:
        return (
            self.open(handle, *args, **more)
            if handle in self._handles
            else REAL["fdopen"](handle, *args, **more)
        )

    def written(self, handle: int, path: Path) -> None:
        self._unsynced[os.fstat(handle).st_ino] = path

    def fsync(self, handle: Any) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        inode = os.fstat(number).st_ino
        if inode in self._unsynced:
            self.reach("fsync", self._unsynced[inode])
        # The disk is simulated as well: what is flushed survives a power cut, and no real disk is waited for.
        self._unsynced.pop(inode, None)

    def _of_path(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **more: Any) -> Any:
            if self.is_inside(path):
                self.reach(name, path)
            return REAL[name](path, *args, **more)

        return call

    def connect(self, *args: Any, **more: Any) -> Any:
        config = dict(more.pop("config", None) or {})
        if "enable_external_access" not in config:
            # one thread: the same seed takes the same way
            config["threads"] = 1
        self.reach("connect", args[0] if args else "")
        made = _Connection(self, REAL["connect"](*args, config=config, **more))
        self._connections.append(made.raw)
        return made

    def sleep(self, seconds: float) -> None:
        self.clock.forward(seconds=max(seconds, 1))

    def monotonic(self) -> float:
        return self.clock().timestamp()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """In the place of the real ones, for this process."""
        fake_time = type(
            "Time", (), {"monotonic": staticmethod(self.monotonic), "sleep": staticmethod(self.sleep)}
        )
        places: list[tuple[Any, str, Any]] = [
            (builtins, "open", self.open),
            (io, "open", self.open),
            (os, "open", self.os_open),
            (os, "fdopen", self.fdopen),
            (os, "fsync", self.fsync),
            *((os, name, self._of_path(name)) for name in ("replace", "rename", "unlink", "mkdir")),
            (duckdb, "connect", self.connect),
            (database, "time", fake_time),
            (pipeline, "ThreadPoolExecutor", SerialPool),
        ]
        before = [(where, name, getattr(where, name)) for where, name, _ in places]
        for where, name, what in places:
            setattr(where, name, what)
        try:
            yield
        finally:
            for where, name, what in before:
                setattr(where, name, what)


class _Written:
    """A file that is written: each write and its closing are operations, and its time is the simulated one."""

    def __init__(self, rim: Rim, path: Path, file: Any) -> None:
        self._rim, self._path, self._file = rim, path, file
        rim.written(file.fileno(), path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def write(self, content: Any) -> int:
        rim = self._rim
        try:
            rim.reach("write", self._path)
        except OSError:
            # a full disk takes a part
            self._file.write(content[: len(content) // 2])
            raise
        rim.written(self._file.fileno(), self._path)
        return self._file.write(content)

    def close(self) -> None:
        if self._file.closed:
            return
        self._file.flush()
        now = self._rim.clock().timestamp()
        os.utime(self._file.fileno(), (now, now))
        self._file.close()


class _Connection:
    """A connection to DuckDB, each call an operation."""

    def __init__(self, rim: Rim, raw: Any) -> None:
        self._rim, self.raw = rim, raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.raw.close()

    def execute(self, query: Any, *args: Any, **more: Any) -> _Connection:
        self._rim.reach("execute")
        self.raw.execute(query, *args, **more)
        return self

    def begin(self) -> None:
        self._rim.reach("begin")
        self.raw.begin()

    def commit(self) -> None:
        self._rim.reach("commit")
        self.raw.commit()
        self._rim.reach("committed")

    def close(self) -> None:
        self._rim.reach("close")
        self.raw.close()


class SerialPool:
    """Threads of a pool, one after the other, so that one seed has one order."""

    def __init__(self, max_workers: int = 1) -> None: ...

    def __enter__(self) -> SerialPool:
        return self

    def __exit__(self, *error: object) -> None: ...

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args))
        except Exception as error:
            done.set_exception(error)
        return done

"""A process to be killed: loads the program once, then forks a child for each order and says how it ended.

Orders are JSON lines on standard input: `do` (refresh, replay or compact), `kill_at` (the step at which the
child kills itself with SIGKILL; 0: never). For each, a line with the child's pid, and one with its exit
status and the steps that it came to. A step is a call that touches disk, database or lock: just before it, or
just after.
"""

import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import BuiltinFunctionType, FrameType

import httpx

from gpuledger.core.config import FetchSettings
from gpuledger.core.store.home import Home
from gpuledger.flows.compact import compact_ledger
from gpuledger.flows.pipeline import LedgerWriter, refresh_sources
from gpuledger.flows.replay import replay
from gpuledger.scrapers.http.fetch import Fetcher
from tests.faults.market import source

OF_MODULES = {
    "posix": {"open", "mkdir", "unlink", "replace", "rename", "fsync", "sendfile", "link", "rmdir", "chmod"},
    "fcntl": {"flock"},
    "_io": {"open"},
}
OF_OBJECTS = {
    "DuckDBPyConnection": {"execute", "begin", "commit", "close", "register", "sql"},
    "BufferedWriter": {"write", "flush", "close"},
    "FileIO": {"write", "close"},
}


class Steps:
    """Counts the steps of this process and ends it at one of them."""

    def __init__(self, kill_at: int, report: int) -> None:
        self._kill_at, self._report, self.count = kill_at, report, 0
        self._guard = threading.Lock()

    def __call__(self, frame: FrameType, event: str, call: BuiltinFunctionType) -> None:
        if event not in {"c_call", "c_return"} or not _is_step(call):
            return
        with self._guard:
            self.count += 1
            if self.count == self._kill_at:
                os.write(self._report, f"{event} {call.__name__}".encode())
                os.kill(os.getpid(), signal.SIGKILL)


def _is_step(call: BuiltinFunctionType) -> bool:
    owner = getattr(call, "__self__", None)
    names = OF_OBJECTS.get(type(owner).__name__) or OF_MODULES.get(getattr(owner, "__name__", ""), ())
    if call.__name__ in names:
        return True
    return (
        getattr(call, "__module__", None) == "_duckdb" and call.__name__ in OF_OBJECTS["DuckDBPyConnection"]
    )


def work(home: Path, url: str, what: str) -> None:
    """One order, as the command of that name does it."""
    ledger = LedgerWriter(home=Home(home), sources=(source(),), clock=lambda: datetime.now(UTC))
    if what == "replay":
        replay(ledger)
        return
    if what == "compact":
        compact_ledger(ledger, keep_documents=timedelta(days=36500), keep_snapshots=2)
        return
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=2, wait_seconds=0, timeout_seconds=5),
            environ={},
            urls={"runpod": url},
            clock=ledger.clock,
        )
        refresh_sources(ledger, ledger.sources, fetcher)


def child(home: Path, url: str, order: dict, report: int) -> int:
    """The forked process; its step count goes into the pipe."""
    steps = Steps(order["kill_at"], report)
    threading.setprofile(steps)
    sys.setprofile(steps)
    try:
        work(home, url, order["do"])
    except BaseException as error:
        sys.setprofile(None)
        os.write(report, f"{type(error).__name__}: {error}".encode()[:400])
        return 1
    sys.setprofile(None)
    os.write(report, str(steps.count).encode())
    return 0


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(receive)
            os._exit(child(Path(order["home"]), order["url"], order, send))
        os.close(send)
        print(json.dumps({"pid": pid}), flush=True)  # noqa: T201
        _, status = os.waitpid(pid, 0)
        with os.fdopen(receive) as pipe:
            said = pipe.read()
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "said": said}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

"""SQL of strangers on the newest snapshot: one statement, read-only, bounded in time, memory and rows.

DuckDB looks for an interrupt between blocks of rows only: one call of `repeat` may hold a processor and two
gigabytes for many seconds after it was told to stop. So every query runs in a process of its own
(`gpuledger.core.store.sandbox_child`), which the kernel ends when the time is up, and whoever asked lives on.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from gpuledger.core.errors import CorruptError, EmptyLedgerError, GPULedgerError, OutdatedError, UsageError

MAX_ROWS = 1_000_000
"""More do not fit a terminal or a page; `gpuledger export` writes everything."""
MAX_MIB = 512
"""Of an answer as it leaves its process; a million rows of `offer_latest` take 300."""
START_SECONDS = 30.0
"""What a crowded machine may take to start a process; the query's own time begins after it."""

# not resolved: core/ is reached as gpuledger/core, by a link in a checkout and as a folder in a wheel
_ROOT = Path(__file__).parents[3]
# -I: neither the working folder nor the environment says what is imported
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from gpuledger.core.store.sandbox_child import main; main()"
)
_RAISED: dict[str, type[GPULedgerError]] = {
    kind.__name__: kind for kind in (UsageError, EmptyLedgerError, OutdatedError, CorruptError)
}
_VALUES = {
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("uuid", "UUID"),
    # what DuckDB puts on an instant
    ("pytz", "_UTC"),
    ("pytz", "_p"),
}


def run_query(
    home: Path,
    text: str,
    *,
    timeout_seconds: float = 60.0,
    max_rows: int = MAX_ROWS,
    max_mib: int = MAX_MIB,
    threads: int = 4,
) -> list[dict[str, Any]]:
    """The rows of one query on the newest snapshot of the ledger in `home`.

    Args:
        timeout_seconds: from the query's start to its last row; then its process ends, whatever it does.
        max_mib: size of the answer.

    Raises:
        UsageError: not one read-only statement, an error in it, too slow, too large, or too many rows.
        EmptyLedgerError: nothing was published yet.
        CorruptError: the snapshot cannot be read.
    """
    request = {
        "home": str(home.absolute()),
        "text": text,
        "timeout_seconds": timeout_seconds,
        "max_rows": max_rows,
        "max_mib": max_mib,
        "threads": threads,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _PROGRAM, str(_ROOT)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=timeout_seconds + START_SECONDS,
            env=_environ(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _stopped(timeout_seconds) from None
    except OSError as error:
        raise UsageError(f"sql: no process for the query: {error.strerror}") from error
    if done.returncode == -signal.SIGALRM:
        raise _stopped(timeout_seconds)
    if done.returncode != 0:
        raise UsageError(f"sql: {_how_it_ended(done)}")
    answer = _Answer(io.BytesIO(done.stdout)).load()
    if "error" in answer:
        raise _RAISED[answer["error"]](answer["message"])
    names = answer["names"]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


class _Answer(pickle.Unpickler):
    """Reads values alone: a process that ran a stranger's query is not asked to name code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _VALUES:
            raise UsageError(f"sql: a value of type {module}.{name} cannot be shown")
        return super().find_class(module, name)


def _environ() -> dict[str, str]:
    """No key of a provider, only what the interpreter may need to start."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}


def _stopped(timeout_seconds: float) -> UsageError:
    return UsageError(f"sql: stopped after {timeout_seconds:g} s")


def _how_it_ended(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return f"the query ended its process ({signal.Signals(-done.returncode).name})"
    lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return f"the query's process failed: {lines[-1]}"

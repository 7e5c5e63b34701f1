"""Estimates of presets that were made before: nothing about them changes but the program and its tables, so an answer
is kept under a checksum of both. Reading one loads neither numpy nor the models of a plan.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.files import write_whole

SEEDS = (
    *("architecture", "calibration", "gpu", "interval", "model", "published_run", "stack", "stack_memory"),
    "model_type_default",
)
PROGRAM = ("*.py", "estimate/*.py", "cost/physics.py", "cost/question.py")


@cache
def program_version() -> str:
    """A checksum of every file that an estimate depends on, code and tables."""
    from gpuledger.core import seeds

    root = Path(seeds.__file__).resolve().parent
    files = [path for pattern in PROGRAM for path in sorted(root.glob(pattern))]
    files += [seeds.FOLDER / f"{name}.csv" for name in SEEDS]
    files += sorted(seeds.FOLDER.glob("gpu_alias*.csv"))
    checksum = 0
    for path in files:
        checksum = zlib.crc32(path.read_bytes(), zlib.crc32(path.name.encode(), checksum))
    return f"{checksum:08x}"


def _path(home: Path, name: str, parameters: tuple[Any, ...]) -> Path:
    words = "-".join(
        "".join(c if c.isalnum() or c in "._" else "_" for c in str(word)) for word in (name, *parameters)
    )
    return home / "cache" / "estimates" / f"{words}-{program_version()}.json"


def cached(home: Path, name: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]] | None:
    """The rows of an estimate made before by the same program, if there are any.

    Args:
        parameters: what was asked beside the preset's name.
    """
    path = _path(home, name, parameters)
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content["rows"] if content.get("asked") == [name, *map(str, parameters)] else None


def keep(home: Path, name: str, parameters: tuple[Any, ...], rows: list[dict[str, Any]]) -> None:
    """Keep them; a home that cannot be written costs the time of the next question alone."""
    content = {"asked": [name, *map(str, parameters)], "rows": rows}
    try:
        write_whole(_path(home, name, parameters), json.dumps(content).encode(), is_durable=False)
    except (GPULedgerError, OSError):
        return

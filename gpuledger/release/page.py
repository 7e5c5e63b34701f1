"""The page of a release: the files that show it in a browser, without a server."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import gpuledger
from gpuledger.core.errors import UsageError

HERE = Path(__file__).parent / "static"
SHARED = ("page.css", "theme.js", "icon.svg")
"""Of the page that `gpuledger serve` shows: both look the same."""

NEEDED = ("parquet.js", "duckdb.js", "duckdb-eh.wasm", "duckdb-browser-eh.worker.js")


def sources(vendor: Path | None) -> dict[str, Path]:
    """By path in the release, what is copied there. Without `vendor` the page shows what latest.json says, and the
    other views say what they lack; programs that an earlier release put there stay.

    Args:
        vendor: a folder made by `make page-vendor`: what reads Parquet and runs SQL in a browser.

    Raises:
        UsageError: the folder lacks a program.
    """
    server = Path(gpuledger.__file__).parent / "web" / "page" / "static"
    files = {path.name: path for path in (*sorted(HERE.iterdir()), *(server / name for name in SHARED))}
    if vendor is None:
        return files
    if missing := [name for name in NEEDED if not (vendor / name).is_file()]:
        raise UsageError(f"--vendor: {vendor} has no {missing[0]}; `make page-vendor` makes such a folder")
    return files | {f"vendor/{path.name}": path for path in sorted(vendor.iterdir()) if path.is_file()}


def write(folder: Path, files: Mapping[str, Path]) -> None:
    """Put the page beside the data."""
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)

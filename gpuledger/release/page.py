"""The page of a release: the files that show it in a browser, without a server."""

from __future__ import annotations

import shutil
from pathlib import Path

import gpuledger
from gpuledger.core.errors import UsageError

HERE = Path(__file__).parent / "static"
SHARED = ("page.css", "theme.js", "icon.svg")
"""Of the page that `gpuledger serve` shows: both look the same."""

NEEDED = ("parquet.js", "duckdb.js", "duckdb-eh.wasm", "duckdb-browser-eh.worker.js")


def write(folder: Path, vendor: Path | None) -> None:
    """Put the page beside the data. Without `vendor` it shows what latest.json says, and the other views say what they
    lack; programs that an earlier release put there stay.

    Args:
        vendor: a folder made by `make page-vendor`: what reads Parquet and runs SQL in a browser.

    Raises:
        UsageError: the folder lacks a program.
    """
    server = Path(gpuledger.__file__).parent / "web" / "page" / "static"
    for source in (*sorted(HERE.iterdir()), *(server / name for name in SHARED)):
        _copy(source, folder / source.name)
    if vendor is None:
        return
    if missing := [name for name in NEEDED if not (vendor / name).is_file()]:
        raise UsageError(f"--vendor: {vendor} has no {missing[0]}; `make page-vendor` makes such a folder")
    for source in sorted(vendor.iterdir()):
        if source.is_file():
            _copy(source, folder / "vendor" / source.name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)

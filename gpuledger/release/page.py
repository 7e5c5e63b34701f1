"""The page of a release: the files that show it in a browser, without a server."""

from __future__ import annotations

import shutil
from pathlib import Path

HERE = Path(__file__).parent / "static"


def write(folder: Path) -> None:
    """Copy the page beside the data."""
    for source in sorted(HERE.rglob("*")):
        if source.is_file():
            target = folder / source.relative_to(HERE)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() or target.read_bytes() != source.read_bytes():
                shutil.copyfile(source, target)

"""What a poller says of itself while it lives: a small file of the home, for metrics and audits."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gpuledger.core.files import let_go, write_whole
from gpuledger.core.store.home import Home

FORGOTTEN = timedelta(days=1)
"""A poller that was killed is named for so long."""


@dataclass(frozen=True, kw_only=True)
class PollerNote:
    """How a poller does."""

    holder: str
    said_at: datetime
    began_at: datetime
    sources: int
    """Those that it holds."""
    reads: int
    failures: int
    """Sources whose last run had no believable answer."""
    missed: int
    """Times of its sources that passed without a read."""
    latest_seconds: float
    """The most that a read began after its time."""
    cpu_seconds: float


def write_note(home: Home, note: PollerNote) -> None:
    """Keep it, in place of the one before.

    Raises:
        StoreError: the disk refused.
    """
    content = asdict(note) | {"said_at": note.said_at.isoformat(), "began_at": note.began_at.isoformat()}
    write_whole(_path(home, os.getpid()), json.dumps(content, indent=1).encode(), is_durable=False)
    for path, other in _notes(home):
        if note.said_at - other.said_at > FORGOTTEN:
            let_go(path)


def remove_note(home: Home) -> None:
    """This process polls no more."""
    let_go(_path(home, os.getpid()))


def poller_notes(home: Home) -> list[PollerNote]:
    """What the pollers of this home said last, those included that died; by name."""
    return sorted((note for _, note in _notes(home)), key=lambda note: note.holder)


def _notes(home: Home) -> list[tuple[Path, PollerNote]]:
    notes: list[tuple[Path, PollerNote]] = []
    for path in (home.path / "locks").glob("poller-*.json"):
        try:
            content = json.loads(path.read_bytes())
            times = {name: datetime.fromisoformat(content[name]) for name in ("said_at", "began_at")}
            notes.append((path, PollerNote(**content | times)))
        except (OSError, ValueError, KeyError, TypeError):
            # one that goes at this moment, or of another release
            continue
    return notes


def _path(home: Home, pid: int) -> Path:
    return home.path / "locks" / f"poller-{pid}.json"

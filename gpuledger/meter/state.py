"""What is known of a metered run, as the file `runs/<run>.json` of a home holds it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpuledger.core.actuals.runs import FOLDER

_ID = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass
class RunState:
    """Sums over all parts of a run; a part is what ran between a start and a stop."""

    run: str
    plan: str | None = None
    quote_id: str | None = None
    gpu_id: str | None = None
    gpus: int = 1
    usd_per_hour: float | None = None
    """Of all machines together."""
    steps: int = 0
    steps_planned: int | None = None
    tokens: float = 0.0
    tokens_planned: float | None = None
    seconds: float = 0.0
    """In which machines were paid for: from each start to its last sign of life."""
    busy_seconds: float = 0.0
    """Between steps that followed each other: the run without starts, and without what stood still."""
    busy_steps: int = 0
    busy_tokens: float = 0.0
    usd_spent: float = 0.0
    budget_usd: float | None = None
    planned_usd: float | None = None
    planned_hours: float | None = None
    intervals: list[list[str]] = field(default_factory=list[list[str]])
    is_finished: bool = False
    calibrated_at: str | None = None
    problems: int = 0

    @property
    def started_at(self) -> str | None:
        return self.intervals[0][0] if self.intervals else None

    def content(self) -> bytes:
        return json.dumps({**asdict(self), "started_at": self.started_at}, indent=1).encode()


def run_path(home: Path, run: str) -> Path:
    """Where the state of a run is."""
    return home / FOLDER / f"{_ID.sub('-', run)[:120] or 'run'}.json"


def stored(path: Path) -> RunState | None:
    """The state of an earlier part of the run; none where there is no file, or none that can be read."""
    try:
        loaded: dict[str, Any] = json.loads(path.read_bytes())
        return RunState(
            **{name: value for name, value in loaded.items() if name in RunState.__dataclass_fields__}
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return None

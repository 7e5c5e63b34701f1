"""Runs that a meter of this home saw: `runs/<run>.json`, as `gpuledger.meter` writes them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, cast

FOLDER = "runs"


def runs(home: Path) -> list[dict[str, Any]]:
    """What is known of each run, the earliest first; files that are no run are left out, because a run that was killed
    while writing is no reason to know nothing of the others."""
    rows: list[dict[str, Any]] = []
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            loaded = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(loaded, dict) and "intervals" in loaded:
            rows.append(cast("dict[str, Any]", loaded))
    return sorted(rows, key=lambda run: str(run.get("started_at")))


def metered_gpu_hours(
    home: Path, since: datetime, until: datetime, *, plan: str, quote_id: str
) -> float | None:
    """GPU-hours inside a time in which runs of a plan or quote were metered, or runs that name none; `None` where there
    were none. What other plans ran says nothing of this one's machines."""
    hours, is_any = 0.0, False
    for run in runs(home):
        if quote_id != run.get("quote_id") and run.get("plan") not in (None, plan):
            continue
        for begun, ended in run["intervals"]:
            start = max(datetime.fromisoformat(begun), since)
            end = min(datetime.fromisoformat(ended), until)
            if end > start:
                is_any = True
                hours += (end - start).total_seconds() / 3600 * float(run.get("gpus") or 1)
    return round(hours, 6) if is_any else None

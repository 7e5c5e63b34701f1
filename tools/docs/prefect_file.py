"""Write `prefect.yaml`, for work pools: `python -m tools.docs.prefect_file > prefect.yaml`. The registry stays the
one place where intervals are said."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import yaml

from gpuledger.flows.timetable import AUDIT_TIMES, COMPACTION_TIMES, anchor
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source

POOL = "gpuledger"
HEAD = """# Deployments for work pools, one per source; written by `make docs`.
# Use: prefect work-pool create gpuledger --type process; prefect deploy --all; prefect worker start --pool gpuledger
# A worker needs the program and, for one ledger, the same GPULEDGER_HOME on a local disk (docs/operations.md).
"""


def content(sources: Iterable[Source] = SOURCES) -> dict[str, Any]:
    """The file as an object."""
    return {
        "name": "gpuledger",
        "pull": None,
        "deployments": [
            *(_refresh(source) for source in sources if source.requests),
            _upkeep("audit", "hourly", *AUDIT_TIMES),
            _upkeep("compact", "nightly", *COMPACTION_TIMES),
        ],
    }


def _refresh(source: Source) -> dict[str, Any]:
    every = int(source.every.total_seconds())
    return {
        "name": source.name,
        "entrypoint": "gpuledger.flows.scheduled.refresh.refresh",
        "description": source.covers,
        "tags": ["gpuledger", source.provider],
        "parameters": {"source_name": source.name, "every_seconds": every},
        "schedules": [{"interval": every, "anchor_date": anchor(source.name, source.every).isoformat()}],
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        "work_pool": {"name": POOL},
    }


def _upkeep(flow: str, name: str, every: timedelta, at: datetime) -> dict[str, Any]:
    return {
        "name": name,
        "entrypoint": f"gpuledger.flows.scheduled.upkeep.{flow}",
        "tags": ["gpuledger"],
        "schedules": [{"interval": int(every.total_seconds()), "anchor_date": at.isoformat()}],
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        "work_pool": {"name": POOL},
    }


def text() -> str:
    """The file as text."""
    return HEAD + yaml.safe_dump(content(), sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(text())

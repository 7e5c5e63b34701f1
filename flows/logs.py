"""Logs for machines: one JSON object a line on standard error, with the ids of source and run."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

FIELDS = (
    "source",
    "run_id",
    "outcome",
    "offers",
    "changes",
    "withdrawn",
    "skipped",
    "error",
    "url",
    "seconds",
)
"""What a line may carry beside time, level and message; a line carries those that its event has."""


class JsonLines(logging.Formatter):
    """One object a line; a traceback is one of its strings."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name in FIELDS if (value := record.__dict__.get(name)) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start(environ: Mapping[str, str], stream: TextIO | None = None) -> None:
    """With `GPULEDGER_LOG=json`, write what the pipeline says; otherwise only warnings are shown, as text."""
    # Each second try would be a bare event in a person's terminal; how a run ended is in its report.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    if environ.get("GPULEDGER_LOG") != "json":
        return
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("gpuledger")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False

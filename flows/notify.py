"""Tell somebody: one POST of JSON to the operator's webhook when runs failed or were quarantined."""

from __future__ import annotations

import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from gpuledger.flows.ledger import RunReport

LOG = logging.getLogger("gpuledger")

TIMEOUT_SECONDS = 10.0
WAITS = (1.0, 4.0)
"""Seconds before the second and the third try."""
UNTOLD = "untold.jsonl"
"""File of the home with what the webhook was not told, one object a line; the next message that arrives brings it."""
MOST_UNTOLD = 200
BAD = frozenset({"failed", "quarantined"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that moved is an error: what it is told is for the address in the settings alone."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def body_of(reports: Iterable[RunReport], *, at: datetime) -> dict[str, Any] | None:
    """What is sent: `text` for people (chat services show it), `runs` for programs; `None` if all went well.
    Errors are without keys already."""
    bad = [report for report in reports if report.outcome in BAD and not report.was_recorded]
    if not bad:
        return None
    return {
        "event": "gpuledger.runs_failed",
        "at": at.isoformat(),
        "text": "gpuledger: " + "; ".join(f"{run.source} {run.outcome}: {run.error}" for run in bad)[:2000],
        "runs": [
            {
                "source": run.source,
                "run_id": run.run_id,
                "outcome": run.outcome,
                "error": run.error,
                "url": run.url,
            }
            for run in bad
        ],
    }


def notify(
    webhook: str | None,
    reports: Iterable[RunReport],
    *,
    at: datetime,
    untold: Path | None = None,
    waits: Sequence[float] = WAITS,
) -> bool:
    """Send it, if there is something to say and an address; whether it arrived. A webhook that fails is tried again,
    then it is a line in the log and never the end of a refresh.

    Args:
        untold: file that keeps what did not arrive; what it holds is sent first.
        waits: seconds before each further try.
    """
    body = body_of(reports, at=at)
    if webhook is None:
        return False
    return deliver(webhook, [] if body is None else [body], untold=untold, waits=waits) and body is not None


def deliver(
    webhook: str,
    bodies: Sequence[dict[str, Any]],
    *,
    untold: Path | None = None,
    waits: Sequence[float] = WAITS,
) -> bool:
    """Send what waited before, then these; whether all arrived. What did not is kept in `untold`."""
    waiting = [*untold_in(untold), *bodies]
    for place, one in enumerate(waiting):
        # What waited before is tried once: it had its tries.
        if not _is_delivered(webhook, one, waits if any(one is body for body in bodies) else ()):
            keep_untold(untold, waiting[place:])
            return False
    if waiting:
        keep_untold(untold, [])
    return True


def _is_delivered(webhook: str, body: dict[str, Any], waits: Sequence[float]) -> bool:
    for wait in (*waits, None):
        if _sent(webhook, body):
            return True
        if wait is not None:
            time.sleep(wait)
    return False


def untold_in(untold: Path | None) -> list[dict[str, Any]]:
    """What waits in the file; nothing where there is none."""
    if untold is None:
        return []
    with suppress(OSError, ValueError):
        return [json.loads(line) for line in untold.read_text(encoding="utf-8").splitlines()]
    return []


def keep_untold(untold: Path | None, bodies: list[dict[str, Any]]) -> None:
    """Leave it for the next message; the file goes where nothing waits."""
    if untold is None:
        return
    try:
        if bodies:
            lines = "".join(json.dumps(body) + "\n" for body in bodies[-MOST_UNTOLD:])
            temporary = untold.with_name(f".{untold.name}.{os.getpid()}.new")
            temporary.write_text(lines, encoding="utf-8")
            temporary.replace(untold)
        else:
            untold.unlink(missing_ok=True)
    except OSError as error:
        LOG.warning("cannot write %s: %s", untold, error.strerror)


def _sent(webhook: str, body: dict[str, Any]) -> bool:
    request = urllib.request.Request(
        webhook, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS):
            return True
    except (OSError, ValueError, http.client.HTTPException) as error:
        # Not the address: for many services it is the key.
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
        LOG.warning("the webhook was not told: %s", reason)
        return False

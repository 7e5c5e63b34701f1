"""Tell somebody: one POST of JSON to the operator's webhook when runs failed or were quarantined."""

from __future__ import annotations

import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gpuledger.flows.ledger import RunReport

LOG = logging.getLogger("gpuledger")

TIMEOUT_SECONDS = 10.0
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


def notify(webhook: str | None, reports: Iterable[RunReport], *, at: datetime) -> bool:
    """Send it, if there is something to say and an address; whether it arrived. A webhook that fails is a
    line in the log and never the end of a refresh."""
    body = body_of(reports, at=at)
    if webhook is None or body is None:
        return False
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

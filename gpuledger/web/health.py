"""Whether the server can answer, and what it has answered."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.store.snapshot_pool import SnapshotPool
from gpuledger.web.metrics import RequestMeter, disk_lines, ledger_lines, poller_lines, run_lines
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import json_bytes, ledger_of

router = APIRouter(tags=["operation"])
LOG = logging.getLogger("gpuledger.server")

_HEALTHY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Answers can be given.",
        "content": {"application/json": {"example": {"status": "ok", "snapshot": 123, "offers": 6120}}},
    },
    503: {
        "description": "No snapshot can be read.",
        "content": {"application/json": {"example": {"status": "down", "problem": "nothing published"}}},
    },
}


@router.get("/healthz", summary="Whether the server can answer", responses=_HEALTHY)
def healthz(request: Request) -> Response:
    """200 while there is a snapshot to answer from; `degraded` while a source is stale or never delivered."""
    pool: SnapshotPool = request.app.state.pool
    try:
        with ledger_of(request).pinned() as ledger:
            edition = ledger.edition
            stale = sum(row["is_stale"] for row in ledger.status())
    except GPULedgerError as error:
        LOG.warning("not healthy: %s", error)
        return Response(
            json_bytes({"status": "down", "problem": f"{kind_of(error)[1]}; the server's log says more"}),
            503,
            media_type="application/json",
        )
    content = {
        "status": "ok" if pool.problem is None and not stale else "degraded",
        "snapshot": edition.number,
        "published_at": edition.published_at,
        "last_observed_at": edition.last_observed_at,
        "offers": edition.offers,
        "stale_sources": stale,
        "problem": None
        if pool.problem is None
        else "the newest snapshot cannot be read; the one before answers",
    }
    return Response(json_bytes(content), media_type="application/json")


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    responses={200: {"description": "Text format 0.0.4.", "content": {"text/plain": {}}}},
    response_class=Response,
)
def metrics(request: Request) -> Response:
    """Requests and their durations, the snapshot served, the age of every source, its runs by outcome, disk space."""
    meter: RequestMeter = request.app.state.meter
    lines = list(meter.lines())
    try:
        with ledger_of(request).pinned() as ledger:
            lines += ledger_lines(ledger.edition, ledger.status())
            lines += run_lines(ledger.run_counts())
            lines += disk_lines(ledger.home)
            lines += poller_lines(ledger.home)
        lines += [
            "# HELP gpuledger_up 1: a snapshot can be read.",
            "# TYPE gpuledger_up gauge",
            "gpuledger_up 1",
        ]
    except GPULedgerError:
        lines += ["# TYPE gpuledger_up gauge", "gpuledger_up 0"]
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")

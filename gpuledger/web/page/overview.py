"""The first page: what GPU clouds charge now, one row per accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request

from gpuledger.questions.reader import Rows
from gpuledger.web.page import svg
from gpuledger.web.page.frame import Made, snapshot_cache
from gpuledger.web.page.state import Elsewhere, PageState, address, command_line
from gpuledger.web.responses import ledger_of

SHOWN_FIRST = 24
"""Rows before the rest, which a click shows."""


def overview_page(request: Request, state: PageState) -> Made:
    """One row per accelerator on sale, with a line of a year."""
    with ledger_of(request).pinned() as ledger:
        cache = snapshot_cache(request)
        version = ledger.edition.version(ledger.clock())
        rows: Rows = cache.look_up(
            ledger, ("overview", version, state.as_of), lambda: ledger.overview(as_of=state.as_of or None)
        )
        status = cache.look_up(ledger, ("status", version), ledger.status)
        edition = ledger.edition
        moment = rows.as_of or ledger.clock()
    shown = [dict(row) | {"line": year_line(row)} for row in rows]
    newest = edition.last_observed_at
    return Made(
        edition,
        {
            "rows": shown,
            "first": [row for row in shown if row["is_for_data_centres"]][:SHOWN_FIRST],
            "fresh_sources": sum(row["state"] == "fresh" for row in status),
            "sources": len(status),
            "newest_hours": None
            if newest is None
            else (ledger_of(request).clock() - newest).total_seconds() / 3600,
            "moment": moment,
            "is_past": bool(state.as_of),
            "prices_of": partial(prices_address, state),
            "files": state.to("/v1/overview"),
        },
        elsewhere(state.inputs),
    )


def prices_address(state: PageState, row: Mapping[str, Any]) -> str:
    """The prices of one accelerator."""
    return state.to("/prices", gpu=row["gpu_id"])


def year_line(row: Mapping[str, Any]) -> str:
    """The median of 52 weeks as a path; weeks without a price have a gap before them only."""
    weeks: list[Any] = row["median_usd_per_gpu_hour_of_52_weeks"] or []
    points = [(float(number), float(usd)) for number, usd in enumerate(weeks) if usd is not None]
    return svg.spark_path(points, 0.0, 52.0) if len(points) > 1 else ""


def elsewhere(inputs: Mapping[str, str]) -> Elsewhere:
    """The same rows elsewhere."""
    as_of = inputs.get("as_of", "")
    return Elsewhere(
        command=command_line("overview", as_of=as_of),
        rest=address("/v1/overview", {"as_of": as_of}),
        sql="select * from gpu_price_index where segment is null order by price_date desc, gpu_id limit 100"
        if as_of
        else "select gpu_id, provider, min(usd_per_gpu_hour) as usd_per_gpu_hour\nfrom offer_latest\n"
        "where purchase_option = 'on_demand' and gpu_count >= 1\ngroup by all\norder by gpu_id, usd_per_gpu_hour",
    )

"""Whether now is a good time to buy: today's price among past days, its trend, and what waiting did. No forecast."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from gpuledger import parse
from gpuledger.core.errors import GPULedgerError
from gpuledger.web.page.chart_form import DEFAULT_GPU
from gpuledger.web.page.frame import Made, snapshot_cache
from gpuledger.web.page.offer_list import choices_of
from gpuledger.web.page.state import Elsewhere, PageState, address, command_line, nearest_links, sql_text
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import ledger_of

GPU_HOURS = "100"
"""What the work takes until somebody says otherwise: dollars of 100 GPU-hours are easily scaled."""


def timing_page(request: Request, state: PageState) -> Made:
    """The form, and what the ledger's past says of the price of one accelerator."""
    inputs = state.inputs
    fields = {
        "gpu": inputs.get("gpu") or DEFAULT_GPU,
        "gpu_hours": inputs.get("gpu_hours") or GPU_HOURS,
        "by": inputs.get("by", ""),
        "purchase_option": inputs.get("purchase_option") or "on_demand",
    }
    with ledger_of(request).pinned() as ledger:
        content: dict[str, Any] = {
            "fields": fields,
            "choices": choices_of(request, ledger),
            "found": None,
        }
        try:
            gpu_hours = parse.required(parse.count(fields["gpu_hours"], "gpu_hours"), "gpu_hours")
            name = ("timing", ledger.edition.version(ledger.clock()), *fields.values())
            content["found"] = snapshot_cache(request).look_up(
                ledger,
                name,
                lambda: ledger.timing(
                    fields["gpu"],
                    gpu_hours=gpu_hours,
                    by=fields["by"] or None,
                    purchase_option=fields["purchase_option"],
                ),
            )
        except GPULedgerError as error:
            content |= {"wrong": str(error), "nearest": nearest_links(error, state)}
            return Made(ledger.edition, content, Elsewhere(), kind_of(error)[0])
        return Made(ledger.edition, content, elsewhere(fields, content["found"]["gpu_id"]))


def elsewhere(fields: dict[str, str], gpu_id: str) -> Elsewhere:
    """The same question elsewhere."""
    command = command_line(
        "timing",
        gpu=fields["gpu"],
        gpu_hours=fields["gpu_hours"],
        by=fields["by"],
        spot=fields["purchase_option"] == "spot",
    )
    sql = (
        "select price_date, price_index, usd_per_gpu_hour, floor_usd_per_gpu_hour, floor_provider, state\n"
        "from gpu_price_index\n"
        f"where gpu_id = {sql_text(gpu_id)} and purchase_option = {sql_text(fields['purchase_option'])}"
        " and segment is null\norder by price_date desc"
    )
    return Elsewhere(command, address("/v1/timing", fields), sql)

"""The history page: lines of prices or of the index, the numbers beside them, and when prices changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.purchase_option import option_text
from gpuledger.ledger import Ledger
from gpuledger.web.page import svg
from gpuledger.web.page.chart import Drawing, drawing, finding
from gpuledger.web.page.chart_form import (
    MOST_CARDS,
    OPTIONS,
    SPANS,
    ChartForm,
    as_filled_in,
    read_chart_form,
)
from gpuledger.web.page.frame import Made, snapshot_cache
from gpuledger.web.page.offer_list import choices_of
from gpuledger.web.page.state import (
    Elsewhere,
    PageState,
    address,
    command_line,
    inputs_of,
    nearest_links,
    sql_text,
)
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import csv_bytes, headers_of, json_bytes, ledger_of

MOVES = 60
"""Changes that the page lists."""


def history(request: Request, state: PageState) -> Made:
    """Prices over time; the script draws what `/history/data` holds, without it the page has a picture."""
    with ledger_of(request).pinned() as ledger:
        choices = choices_of(request, ledger)
        frame = {"choices": choices, "option_names": OPTIONS, "spans": SPANS, "most_cards": MOST_CARDS}
        try:
            form = _form(request, ledger, state.inputs)
        except GPULedgerError as error:
            # the form stays as it was filled in, with what is wrong beneath
            content = {
                "form": as_filled_in(state.inputs, _form(request, ledger, {})),
                "title": "Prices over time",
                "is_log": state.inputs.get("log") == "1",
                "wrong": str(error),
                "nearest": nearest_links(error, state, add=""),
            }
            return Made(ledger.edition, frame | content, Elsewhere(), kind_of(error)[0])
        drawn = _drawn(request, ledger, form)
        edition = ledger.edition
    option = option_text(form.option)
    data = drawn.to_dict() | {"is_comparison": form.is_comparison}
    return Made(
        edition,
        frame
        | {
            "form": form,
            "drawn": drawn,
            "nearest": [],
            "title": finding(form, drawn, option),
            "lines_svg": svg.lines(drawn) if drawn.steps else None,
            "latest": _latest(drawn),
            "without": {
                card.spec: state.here(
                    gpu=",".join(other.spec for other in form.cards if other != card), add="", hide=""
                )
                for card in form.cards
            },
            "moves_address": PageState("/history/moves", state.inputs).here(
                add="", gpu=form.gpu, hide="", zoom=""
            ),
            "is_log": state.inputs.get("log") == "1",
            "as_file": address(f"/v1/{'index' if form.show == 'index' else 'history'}?{form.rest}"),
            # inside a script element only a tag could do harm
            "data": Markup(json_bytes(data).decode().replace("<", "\\u003c")),
        },
        elsewhere(form),
    )


def history_data(request: Request) -> Response:
    """The chart's numbers, as JSON, or with `as=csv` one row per line and step."""
    inputs = inputs_of(request)
    with ledger_of(request).pinned() as ledger:
        form = _form(request, ledger, inputs)
        drawn = _drawn(request, ledger, form)
        headers = headers_of(ledger.edition, ledger.clock())
    if inputs.get("as") == "csv":
        headers["content-disposition"] = 'attachment; filename="history.csv"'
        return Response(csv_bytes(_rows(drawn)), media_type="text/csv; charset=utf-8", headers=headers)
    return Response(json_bytes(drawn.to_dict()), media_type="application/json", headers=headers)


def moves(request: Request, state: PageState) -> Made:
    """When prices changed, the newest first; it reads the log, so the page asks for it afterwards."""
    with ledger_of(request).pinned() as ledger:
        form = _form(request, ledger, state.inputs)
        rows = ledger.price_moves(
            ",".join(card.gpu_id for card in form.cards) + _count(form),
            providers=list(form.providers),
            regions=[form.region] if form.region else None,
            purchase_options=[form.option],
            since=max(form.since, form.until - timedelta(days=_move_days(form))),
            until=form.until,
            limit=MOVES,
        )
        return Made(ledger.edition, {"rows": rows, "form": form, "days": _move_days(form)}, elsewhere(form))


def _move_days(form: ChartForm) -> int:
    return min((form.until - form.since).days or 1, 400)


def _count(form: ChartForm) -> str:
    spec = form.cards[0].spec
    return spec[len(form.cards[0].gpu_id) :]


def _form(request: Request, ledger: Ledger, inputs: Any) -> ChartForm:
    offers = {row["gpu_id"]: row["offers"] for row in choices_of(request, ledger)["gpus"]}
    return read_chart_form(inputs, ledger.clock(), offers)


def _drawn(request: Request, ledger: Ledger, form: ChartForm) -> Drawing:
    return snapshot_cache(request).look_up(ledger, ("drawing", form), lambda: drawing(ledger, form))


def _rows(drawn: Drawing) -> list[dict[str, Any]]:
    unit = "price_index" if drawn.unit == "index" else "usd_per_gpu_hour"
    return [
        {
            "at": datetime.fromtimestamp(drawn.start + step * drawn.step_seconds, UTC),
            "line": line.key,
            unit: value,
            "is_confirmed": not line.loose[step],
            "price_state": line.states[step] if line.states else None,
        }
        for line in drawn.lines
        for step, value in enumerate(line.usd)
        if value is not None
    ]


def _latest(drawn: Drawing) -> list[dict[str, Any]]:
    """Of each line the first, the last, the least and the greatest value, the cheapest line first."""
    rows: list[dict[str, Any]] = []
    for line in drawn.lines:
        there = [(step, usd) for step, usd in enumerate(line.usd) if usd is not None]
        if there:
            values = [usd for _, usd in there]
            rows.append(
                {
                    "key": line.key,
                    "name": line.name,
                    "first": values[0],
                    "last": values[-1],
                    "least": min(values),
                    "most": max(values),
                    "change": values[-1] / values[0] - 1 if values[0] else None,
                    "is_now": there[-1][0] == drawn.steps - 1,
                    "note": _note(line.states[there[-1][0]] if line.states else None),
                    "until": drawn.start + there[-1][0] * drawn.step_seconds,
                }
            )
    return sorted(rows, key=lambda row: (not row["is_now"], row["last"]))


def _note(state: str | None) -> str:
    return {"sold_out": "sold out", "unlisted": "not listed", "stale": "not confirmed"}.get(state or "", "")


def elsewhere(form: ChartForm) -> Elsewhere:
    """The same question elsewhere."""
    specs = ",".join(card.gpu_id for card in form.cards) + _count(form)
    span = {"from": form.since.date().isoformat(), "to": form.until.date().isoformat()}
    ids = ", ".join(sql_text(card.gpu_id) for card in form.cards)
    if form.show == "index":
        command = command_line("index", specs, purchase_option=form.option, **span)
        sql = (
            "select price_date, gpu_id, price_index, low, high, state, reason\nfrom gpu_price_index\n"
            f"where gpu_id in ({ids}) and purchase_option = {sql_text(form.option)} and segment is null\n"
            f"    and price_date between '{form.since.date()}' and '{form.until.date()}'\norder by gpu_id, price_date"
        )
        return Elsewhere(command, address(f"/v1/index?{form.rest}"), sql)
    flags = {form.option: True} if form.option in ("on_demand", "spot", "reserved") else {"reserved": True}
    command = command_line("history", specs, provider=form.providers, region=form.region, **flags, **span)
    sql = (
        "select valid_from, valid_to, provider, instance_type, region, usd_per_gpu_hour\n"
        f"from price_history_of([{ids}])\n"
        f"where purchase_option = {sql_text(form.option)} and gpu_count >= 1\n"
        f"    and valid_from <= '{form.until.date()}'\n"
        f"    and coalesce(valid_to, lapses_at) > '{form.since.date()}'\norder by valid_from, provider"
    )
    return Elsewhere(command, address(f"/v1/history?{form.rest}"), sql)

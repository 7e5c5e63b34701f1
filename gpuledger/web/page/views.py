"""The five views and the login: addresses in, rendered templates out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Query, Request
from markupsafe import Markup
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from gpuledger import formats
from gpuledger.core.errors import EmptyLedgerError, GPULedgerError, StoreBusyError, UsageError
from gpuledger.core.plan import model_rows
from gpuledger.web.access import COOKIE, Token
from gpuledger.web.page import svg
from gpuledger.web.page.chart import OPTIONS, SPANS, chart, read_chart_form
from gpuledger.web.page.listings import Facets, saved, source_rows
from gpuledger.web.page.plan_form import METHODS, OPTION_FIELDS, is_asked, read_form
from gpuledger.web.page.rendering import asset_bytes, html_answer
from gpuledger.web.parameters import Cursor, OfferParameters, fingerprint, read_cursor
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import csv_bytes, headers_of, json_bytes, ledger_of

PAGE_ROWS = 50
TREND = timedelta(days=30)
SHOWN_ROWS = 500
"""Of a query on the page; the CSV holds all."""
SORTS = {
    "gpu_id": "asc",
    "gpu_count": "desc",
    "provider": "asc",
    "usd_per_gpu_hour": "asc",
    "usd_per_hour": "asc",
    "region": "asc",
    "availability": "asc",
    "last_seen_at": "desc",
}
FILTERS = ("gpu", "provider", "region", "tier", "purchase_option", "price_state", "max_usd_per_gpu_hour")


def add_to(app: FastAPI) -> None:
    """Add the page's routes; they are no part of the OpenAPI document."""
    app.state.facets = Facets()
    for path, view in (("/", prices), ("/history", history), ("/quote", quote), ("/sources", sources)):
        app.add_api_route(path, view, methods=["GET"], include_in_schema=False)
    app.add_api_route("/quote/frontier", quote_frontier, methods=["GET"], include_in_schema=False)
    app.add_api_route("/quote/drivers", quote_drivers, methods=["GET"], include_in_schema=False)
    app.add_api_route("/history/data", history_data, methods=["GET"], include_in_schema=False)
    app.add_api_route("/sql", sql_form, methods=["GET"], include_in_schema=False)
    app.add_api_route("/sql", sql_run, methods=["POST"], include_in_schema=False)
    app.add_api_route("/static/{name}", static, methods=["GET"], include_in_schema=False)
    app.add_api_route("/login", login_form, methods=["GET"], include_in_schema=False)
    app.add_api_route("/login", login, methods=["POST"], include_in_schema=False)


def prices(request: Request) -> Response:
    """The table of live offers, 50 at a time."""
    return _answered(request, "prices.html", "prices", _prices)


def _prices(request: Request, inputs: Mapping[str, str]) -> dict[str, Any]:
    state = inputs.get("price_state") or ("any" if inputs.get("as_of") else _state_to_begin_with(request))
    inputs = {**inputs, "price_state": state}
    parameters = _offer_parameters({**inputs, "price_state": "" if state == "any" else state})
    question = fingerprint(parameters.question())
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, question)
    query = parameters.page_query(skip_rows=0 if after is None else after.skip_rows)
    with ledger_of(request).pinned(None if after is None else after.snapshot) as ledger:
        rows = ledger.offer_page(query, as_of=parameters.as_of)
        moment = rows.as_of or ledger.clock()
        trends = ledger.sparklines(rows, moment - TREND)
        facets = request.app.state.facets.of_snapshot(ledger)
        edition = ledger.edition
    first, last = (moment - TREND).timestamp(), moment.timestamp()
    for row in rows:
        points = [(when.timestamp(), float(amount)) for when, amount in trends.get(row["price_id"], [])]
        # no change in that time: the price held all along
        constant = [(first, float(row["amount"]))] if row["valid_from"].timestamp() <= first else []
        row["trend"] = svg.spark_path(points or constant, first, last)
    end = query.skip_rows + len(rows)
    following = Cursor(edition.number, end, question).text() if end < rows.total else None
    return {
        "edition": edition,
        "rows": rows,
        "total": rows.total,
        "first": query.skip_rows + 1 if rows else 0,
        "last": end,
        "facets": facets,
        "state": state,
        "any_state_address": _address("/", inputs, price_state="any"),
        "sorts": SORTS,
        "order_by": parameters.order_by,
        "order_dir": parameters.order_dir,
        "next_address": None if following is None else _address("/", inputs, cursor=following),
        "csv_address": _address(
            "/v1/offers",
            {**inputs, "price_state": "" if state == "any" else state},
            format="csv",
            limit="1000",
        ),
        "sort_address": _sorter(inputs, parameters),
    }


def _state_to_begin_with(request: Request) -> str:
    """Fresh prices: a page that begins with the cheapest would begin with those of years ago. All of them where
    none is fresh, as before the first refresh."""
    limits = request.app.state.pool.newest().fresh_limits
    return "fresh" if limits and limits[-1] >= ledger_of(request).clock() else "any"


def _offer_parameters(inputs: Mapping[str, str]) -> OfferParameters:
    chosen = {name: inputs[name] for name in FILTERS if inputs.get(name)}
    more = {name: inputs[name] for name in ("order_by", "order_dir", "as_of", "cursor") if inputs.get(name)}
    lists: dict[str, Any] = {
        name: [chosen.pop(name)]
        for name in ("provider", "region", "tier", "purchase_option", "price_state")
        if name in chosen
    }
    try:
        return OfferParameters.model_validate({**chosen, **lists, **more, "limit": PAGE_ROWS})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "filter"
        raise UsageError(f"{name}: {first['msg']}, got {str(first['input'])[:60]!r}") from None


def _sorter(inputs: Mapping[str, str], parameters: OfferParameters) -> Callable[[str], str]:
    def address(column: str) -> str:
        direction = SORTS[column]
        if parameters.order_by == column:
            direction = "desc" if parameters.order_dir == "asc" else "asc"
        return _address("/", inputs, order_by=column, order_dir=direction)

    return address


def _address(path: str, inputs: Mapping[str, str], **more: str) -> str:
    fields = {name: value for name, value in inputs.items() if value and name not in ("cursor", "fragment")}
    return f"{path}?{urlencode(fields | more)}"


def history(request: Request) -> Response:
    """Prices of one accelerator over time; the script draws what `/history/data` holds."""
    return _answered(request, "history.html", "history", _history)


def _history(request: Request, inputs: Mapping[str, str]) -> dict[str, Any]:
    with ledger_of(request).pinned() as ledger:
        form = read_chart_form(inputs, ledger.clock())
        facets = request.app.state.facets.of_snapshot(ledger)
        drawn = chart(ledger, form)
        edition = ledger.edition
    return {
        "edition": edition,
        "form": form,
        "facets": facets,
        "options": OPTIONS,
        "spans": SPANS,
        "drawn": drawn,
        # Inside a script element only a tag could do harm.
        "data": Markup(json_bytes(drawn).decode().replace("<", "\\u003c")),
    }


def history_data(request: Request) -> Response:
    """The chart's numbers."""
    with ledger_of(request).pinned() as ledger:
        form = read_chart_form(request.query_params, ledger.clock())
        drawn = chart(ledger, form)
        headers = headers_of(ledger.edition, ledger.clock())
    return Response(json_bytes(drawn), media_type="application/json", headers=headers)


def quote(request: Request) -> Response:
    """The form, and the ranking once something is asked."""
    return _answered(request, "quote.html", "quote", _quote)


def _quote(request: Request, inputs: Mapping[str, str]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "found": None,
        "fields": inputs,
        "methods": METHODS,
        "models": sorted(model_rows()),
        "options": OPTION_FIELDS,
    }
    with ledger_of(request).pinned() as ledger:
        content |= {"edition": ledger.edition, "facets": request.app.state.facets.of_snapshot(ledger)}
        if not is_asked(inputs):
            return content
        try:
            form = read_form(inputs)
            answer = ledger.quote(form.plan, **form.options).to_dict()
        except GPULedgerError as error:
            # below the form, so that nobody has to fill it in again
            return content | {"wrong": str(error), "status": kind_of(error)[0]}
    names, bars = svg.stacked(answer["quotes"])
    return content | {
        "found": answer,
        "plan_text": json.dumps(form.plan_keys, indent=2),
        "line_names": names,
        "bars": bars,
        "frontier_address": _address("/quote/frontier", inputs),
        "drivers_address": _address("/quote/drivers", inputs),
    }


def quote_frontier(request: Request) -> Response:
    """The frontier alone; it looks at many more offers than the ranking, so the page asks for it
    afterwards."""
    return _answered(request, "frontier.html", "quote", _frontier)


def _frontier(request: Request, inputs: Mapping[str, str]) -> dict[str, Any]:
    form = read_form(inputs)
    with ledger_of(request).pinned() as ledger:
        points = [point.to_dict() for point in ledger.frontier(form.plan, **form.options)]
        edition = ledger.edition
    return {
        "edition": edition,
        "points": points,
        "scatter": svg.scatter(points),
        "plot": svg.PLOT,
        "option_styles": svg.OPTION_STYLES,
    }


def quote_drivers(request: Request) -> Response:
    """What drives the cost of the plan in the form, and what would save."""
    return _answered(request, "drivers.html", "quote", _drivers)


def _drivers(request: Request, inputs: Mapping[str, str]) -> dict[str, Any]:
    form = read_form(inputs)
    with ledger_of(request).pinned() as ledger:
        return {
            "edition": ledger.edition,
            "found": ledger.drivers(form.plan, **form.options),
            "quote_address": _address("/quote", inputs),
        }


def sources(request: Request) -> Response:
    """Freshness and coverage of every source."""
    return _answered(request, "sources.html", "sources", _sources)


def _sources(request: Request, inputs: Mapping[str, str]) -> dict[str, Any]:
    with ledger_of(request).pinned() as ledger:
        return {
            "edition": ledger.edition,
            "rows": source_rows(ledger.status()),
            "imports": ledger.imports(),
            "providers": ledger.providers(),
            "unmapped": ledger.unmapped()[:50],
        }


def sql_form(request: Request, q: Annotated[str, Query(max_length=20_000)] = "") -> Response:
    """The editor with the saved questions."""
    return _answered(request, "sql.html", "sql", lambda _, inputs: _editor(request, inputs.get("q", "")))


async def sql_run(request: Request) -> Response:
    """Run one query; `csv` in the form asks for a file."""
    body = (await request.body()).decode("utf-8", "replace")
    inputs = dict(parse_qsl(body, keep_blank_values=True))
    text = inputs.get("q", "")
    if "csv" not in inputs:
        return await run_in_threadpool(
            _answered, request, "sql.html", "sql", lambda _r, _g: _editor(request, text, run=True)
        )
    rows = await run_in_threadpool(ledger_of(request).query, text)
    headers = {"content-disposition": 'attachment; filename="gpuledger.csv"', "cache-control": "no-store"}
    return Response(csv_bytes(rows), media_type="text/csv; charset=utf-8", headers=headers)


def _editor(request: Request, text: str, *, run: bool = False) -> dict[str, Any]:
    ledger = ledger_of(request)
    content: dict[str, Any] = {
        "text": text,
        "questions": saved(),
        "columns": [],
        "rows": None,
        "total": 0,
        "wrong": None,
    }
    content["edition"] = ledger.edition
    if run:
        try:
            rows = ledger.query(text)
        except (UsageError, StoreBusyError) as error:
            return content | {"wrong": str(error)}
        shown = [[_cell(value) for value in row.values()] for row in rows[:SHOWN_ROWS]]
        content |= {"columns": list(rows[0]) if rows else [], "rows": shown, "total": len(rows)}
    return content


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return json_bytes(value).decode()
    return str(value if isinstance(value, (str, int, float)) else formats.plain(value))


def static(request: Request, name: str) -> Response:
    """An asset of the wheel; its address changes with its content."""
    contents = asset_bytes(name)
    if contents is None:
        return Response(status_code=404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(contents[0], media_type=contents[1], headers=headers)


def login_form(request: Request) -> Response:
    """Asks for the token, once per browser."""
    return html_answer("login.html", {"wrong": False, "edition": None, "view": "login"})


async def login(request: Request) -> Response:
    """A cookie for the right token; it holds a keyed hash, not the token."""
    inputs = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    token = Token(request.app.state.settings.token)
    if not token.is_set or not token.opens(inputs.get("token", "")):
        return html_answer("login.html", {"wrong": True, "edition": None, "view": "login"}, status=401)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE, token.cookie_value, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


def _answered(
    request: Request,
    template: str,
    view: str,
    content: Callable[[Request, Mapping[str, str]], dict[str, Any]],
) -> Response:
    """The view, or what is wrong with the question, in the same frame."""
    inputs = dict(request.query_params)
    frame = {"view": view, "given": inputs, "wrong": None, "is_fragment": inputs.get("fragment") == "1"}
    try:
        made = content(request, inputs)
        edition = made["edition"]
        headers = headers_of(edition, ledger_of(request).clock()) if request.method == "GET" else {}
        return html_answer(template, frame | made, status=made.get("status", 200), headers=headers)
    except GPULedgerError as error:
        edition = None if isinstance(error, EmptyLedgerError) else request.app.state.pool.newest()
        # A part of a page that a script asked for is shown where it belongs, whatever it says.
        status = 200 if frame["is_fragment"] else kind_of(error)[0]
        wrong = frame | {"wrong": str(error), "edition": edition, "view": view}
        return html_answer("wrong.html", wrong, status=status)

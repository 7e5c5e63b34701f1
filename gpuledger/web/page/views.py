"""Addresses of the page and the view that answers each."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gpuledger.web.page.frame import Made, View, answered_page, plain_page
from gpuledger.web.page.history import history, history_data, moves
from gpuledger.web.page.offer_list import offer_file, offer_list
from gpuledger.web.page.overview import overview_page
from gpuledger.web.page.query_view import query, query_file
from gpuledger.web.page.quote_files import TYPES, quote_file
from gpuledger.web.page.quote_view import (
    comparison,
    drivers,
    frontier_page,
    left_out_page,
    providers,
    quote_page,
    quote_receipt,
)
from gpuledger.web.page.rendering import asset_bytes, asset_gzip
from gpuledger.web.page.session import add_session
from gpuledger.web.page.snapshot_cache import SnapshotCache
from gpuledger.web.page.source_view import sources
from gpuledger.web.page.state import Elsewhere, PageState, address
from gpuledger.web.page.timing_view import timing_page
from gpuledger.web.prefix import prefixed
from gpuledger.web.responses import TYPE_OF, ledger_of

FORMER = frozenset(
    {"gpu", "provider", "purchase_option", "price_state", "max_usd_per_gpu_hour", "order_by", "cursor"}
)
"""Fields of prices: before there was an overview, `/` held them."""

_VIEWS: dict[str, tuple[str, str, View]] = {
    "/prices": ("prices.html", "prices", offer_list),
    "/history": ("history.html", "history", history),
    "/history/moves": ("moves.html", "history", moves),
    "/timing": ("timing.html", "history", timing_page),
    "/quote": ("quote.html", "quote", quote_page),
    "/quote/providers": ("providers.html", "quote", providers),
    "/quote/frontier": ("frontier.html", "quote", frontier_page),
    "/quote/drivers": ("drivers.html", "quote", drivers),
    "/quote/left-out": ("left_out.html", "quote", left_out_page),
    "/quote/compare": ("comparison.html", "quote", comparison),
    "/quote/receipt": ("receipt.html", "quote", quote_receipt),
    "/sources": ("sources.html", "sources", sources),
    "/sql": ("sql.html", "sql", query),
}


def add_to(app: FastAPI) -> None:
    """Add the page's routes; they are no part of the OpenAPI document."""
    app.state.snapshot_cache = SnapshotCache()
    app.add_api_route("/", _first, methods=["GET"], include_in_schema=False)
    for path, (template, view, make) in _VIEWS.items():
        app.add_api_route(path, _route(template, view, make), methods=["GET"], include_in_schema=False)
    app.add_api_route("/price", _price, methods=["GET"], include_in_schema=False)
    app.add_api_route("/history/data", history_data, methods=["GET"], include_in_schema=False)
    app.add_api_route("/prices.{kind}", _offer_file, methods=["GET"], include_in_schema=False)
    app.add_api_route("/quote.{kind}", _quote_file, methods=["GET"], include_in_schema=False)
    app.add_api_route("/sql.csv", query_file, methods=["GET"], include_in_schema=False)
    app.add_api_route("/sql", _posted_query, methods=["POST"], include_in_schema=False)
    app.add_api_route("/static/{name}", static, methods=["GET"], include_in_schema=False)
    add_session(app)


def _route(template: str, view: str, make: View) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        return answered_page(request, template, view, make)

    return show


def _first(request: Request) -> Response:
    if FORMER & set(request.query_params):
        return RedirectResponse(f"{prefixed('/prices')}?{request.url.query}", 308)
    return answered_page(request, "overview.html", "overview", overview_page)


def _price(request: Request) -> Response:
    return answered_page(request, "price.html", "prices", _price_receipt)


def _price_receipt(request: Request, state: PageState) -> Made:
    price_id = state.inputs.get("id", "")
    with ledger_of(request).pinned() as ledger:
        receipt = ledger.price_receipt(price_id)
        return Made(ledger.edition, {"found": receipt}, Elsewhere(rest=address(f"/v1/prices/{price_id}")))


def _offer_file(request: Request, kind: str) -> Response:
    if kind not in TYPE_OF:
        return not_found(request)
    return offer_file(request, kind)


def _quote_file(request: Request, kind: str) -> Response:
    if kind not in TYPES:
        return not_found(request)
    return quote_file(request, kind)


async def _posted_query(request: Request) -> Response:
    """The editor sends its query by GET; a long one, or a page of an earlier release, by POST."""
    from urllib.parse import parse_qsl, urlencode

    inputs = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    is_file = inputs.pop("csv", None) is not None
    request.scope["query_string"] = urlencode({**inputs, "run": "1"}).encode()
    again = Request(request.scope)
    if is_file:
        return await run_in_threadpool(query_file, again)
    return await run_in_threadpool(answered_page, again, "sql.html", "sql", query)


def not_found(request: Request) -> Response:
    """A page for an address that is none."""
    return plain_page(request, "not_found.html", "", {"path": request.url.path}, 404)


def static(request: Request, name: str) -> Response:
    """An asset of the wheel; its address changes with its content."""
    contents = asset_bytes(name)
    if contents is None:
        return Response(status_code=404)
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    dense = asset_gzip(name) if _takes_gzip(request.headers.get("accept-encoding", "")) else None
    if dense is not None:
        return Response(dense, media_type=contents[1], headers={**headers, "content-encoding": "gzip"})
    return Response(contents[0], media_type=contents[1], headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Whether a header `accept-encoding` names gzip; `gzip;q=0` refuses it."""
    for piece in accepted.lower().split(","):
        coding, _, weight = piece.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.strip("0.") != "" or not weight
    return False

"""From a request to a page: the shared parts of an address, the view's content, and what is wrong with a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gpuledger import parse
from gpuledger.core.errors import EmptyLedgerError, GPULedgerError
from gpuledger.core.store.snapshot_pool import Edition
from gpuledger.web.page.rendering import html_answer
from gpuledger.web.page.snapshot_cache import SnapshotCache
from gpuledger.web.page.state import DOLLARS, NOWHERE, Elsewhere, PageState, address, currency_of, inputs_of
from gpuledger.web.prefix import path_of
from gpuledger.web.problems import kind_of
from gpuledger.web.responses import headers_of, ledger_of

ABOUT = {
    "overview": "What GPU clouds charge now, by accelerator: cheapest, median, spot, 30-day change.",
    "prices": "GPU offers of all clouds with price, place, stock and the age of each price.",
    "history": "GPU prices over time, each provider's cheapest, and when they changed.",
    "quote": "What a training plan costs and where, with a receipt for every dollar.",
    "sources": "Where the prices are read, how fresh they are, and what is disputed.",
    "sql": "Read-only SQL over the price history.",
}


@dataclass(frozen=True)
class Made:
    """What a view shows."""

    edition: Edition | None
    content: Mapping[str, Any]
    elsewhere: Elsewhere = NOWHERE
    status: int = 200


View = Callable[[Request, PageState], Made]


def snapshot_cache(request: Request) -> SnapshotCache:
    """Answers that hold as long as the snapshot."""
    return request.app.state.snapshot_cache


def answered_page(request: Request, template: str, view: str, make: View) -> Response:
    """The view, or what is wrong with the question, in the same frame."""
    inputs = inputs_of(request)
    is_fragment = inputs.pop("fragment", "") == "1"
    state = PageState(path_of(request), inputs)
    try:
        with ledger_of(request).pinned() as ledger:
            currency = currency_of(ledger, snapshot_cache(request), inputs.get("currency", ""))
        state = PageState(path_of(request), inputs, currency)
        past = parse.past(state.as_of or None, "as_of", ledger_of(request).clock())
        made = make(request, state)
        headers = {} if made.edition is None else headers_of(made.edition, ledger_of(request).clock())
        frame = _frame(request, view, state, is_fragment, past) | {
            "edition": made.edition,
            "elsewhere": made.elsewhere,
        }
        return _html(template, {**frame, **made.content}, made.status, headers)
    except GPULedgerError as error:
        edition = None if isinstance(error, EmptyLedgerError) else request.app.state.pool.newest()
        state = PageState(path_of(request), inputs, DOLLARS)
        frame = _frame(request, view, state, is_fragment, None)
        wrong = frame | {"wrong": str(error), "edition": edition, "elsewhere": Elsewhere()}
        return _html("wrong.html", wrong, kind_of(error)[0], {})


def _html(template: str, content: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    """A page with its status. A part that the page's script asks for says its status in a header: a browser reports
    what is not 2xx as an error of the page, and half a word is none."""
    if not content["is_fragment"]:
        return html_answer(template, content, status=status, headers=headers)
    return html_answer(template, content, headers={**headers, "x-answer-status": str(status)})


def plain_page(
    request: Request, template: str, view: str, content: Mapping[str, Any], status: int = 200
) -> Response:
    """A page without an answer of the ledger."""
    inputs = {
        name: request.query_params[name] for name in ("as_of", "currency") if name in request.query_params
    }
    frame = _frame(request, view, PageState(path_of(request), inputs), False, None)
    return html_answer(
        template, frame | {"edition": None, "elsewhere": Elsewhere()} | dict(content), status=status
    )


def _frame(request: Request, view: str, state: PageState, is_fragment: bool, past: Any) -> dict[str, Any]:
    return {
        "view": view,
        "state": state,
        "given": state.inputs,
        "money": state.currency,
        "wrong": None,
        "is_fragment": is_fragment,
        "past": past,
        "about": ABOUT.get(view, ABOUT["overview"]),
        "origin": f"{request.url.scheme}://{request.url.netloc}",
        "has_token": bool(request.app.state.settings.token),
        "address": address,
    }

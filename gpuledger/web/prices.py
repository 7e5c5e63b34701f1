"""Routes that read prices: offers, the cheapest, history, index, timing, and what there is to choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from gpuledger.core.errors import NoOfferError, UsageError
from gpuledger.questions.choice import cards_named
from gpuledger.web import openapi
from gpuledger.web.parameters import (
    ChangeParameters,
    CheapestParameters,
    Cursor,
    HistoryParameters,
    IndexCheckParameters,
    IndexParameters,
    OfferParameters,
    OverviewParameters,
    Parameters,
    ReserveParameters,
    SpreadParameters,
    TimingParameters,
    question_checksum,
    read_cursor,
)
from gpuledger.web.problems import ProblemError
from gpuledger.web.responses import Listing, is_stale, ledger_of, listing, one

router = APIRouter(prefix="/v1", tags=["prices"])


@router.get("/overview", summary="The market at a glance", responses=openapi.rows("overview"))
def overview(request: Request, parameters: Annotated[OverviewParameters, Query()]) -> Response:
    """One row per accelerator on sale, of the prices in its most reliable state."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.overview(as_of=parameters.as_of)
        answer = Listing("overview", rows, len(rows), more={"as_of": rows.as_of})
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/offers", summary="Offers, the most reliable prices first", responses=openapi.offers)
def offers(request: Request, parameters: Annotated[OfferParameters, Query()]) -> Response:
    """One row per offer on sale, now or at a past time. Pages of one cursor are all from one snapshot."""
    question = question_checksum(parameters.question())
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, question)
    query = parameters.page_query(skip_rows=0 if after is None else after.skip_rows)
    try:
        with ledger_of(request).pinned(None if after is None else after.snapshot) as ledger:
            rows = ledger.offer_page(query, as_of=parameters.as_of)
            edition = ledger.edition
    except UsageError as error:
        if after is not None and "not kept any more" in str(error):
            raise ProblemError(410, "snapshot-gone", str(error)) from error
        raise
    unknown = cards_named(parameters.gpu_name)[1]
    if not rows.total and unknown is not None:
        raise unknown
    end = query.skip_rows + len(rows)
    more = Cursor(edition.number, end, question).text() if rows and end < rows.total else None
    answer = Listing(
        "offers",
        rows,
        rows.total,
        next_cursor=more,
        stale=is_stale(rows),
        more={"as_of": rows.as_of, "remarks": rows.remarks},
    )
    return listing(request, edition, answer, parameters.format)


@router.get("/offers/cheapest", summary="The cheapest offer of each provider", responses=openapi.cheapest)
def cheapest(request: Request, parameters: Annotated[CheapestParameters, Query()]) -> Response:
    """Ranked per GPU-hour. Stale prices do not win unless allowed, or unless there is nothing else."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.cheapest(
            parameters.gpu,
            **parameters.filters(["on_demand"]),
            as_of=parameters.as_of,
            allow_stale=parameters.allow_stale,
            limit=parameters.limit,
        )
        more = {"as_of": rows.as_of, "remarks": rows.remarks}
        answer = Listing("offers", rows, rows.total, stale=is_stale(rows), more=more)
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/offers/spread", summary="How prices differ between groups", responses=openapi.rows("spread"))
def spread(request: Request, parameters: Annotated[SpreadParameters, Query()]) -> Response:
    """Least, median and greatest price per GPU-hour of each group of offers, the cheapest group first."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.spread(
            parameters.gpu, by=parameters.by, **parameters.filters(["on_demand"]), as_of=parameters.as_of
        )
        more = {"as_of": rows.as_of, "remarks": rows.remarks}
        answer = Listing("spread", rows[: parameters.limit], len(rows), more=more)
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/offers/reserve", summary="Reserve or pay by the hour", responses=openapi.rows("reserve"))
def reserve(request: Request, parameters: Annotated[ReserveParameters, Query()]) -> Response:
    """The share of hours that must be used before a reservation costs less than on-demand."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.reserve(
            parameters.gpu, providers=parameters.provider, regions=parameters.region, as_of=parameters.as_of
        )
        answer = Listing("reserve", rows, len(rows), more={"as_of": rows.as_of})
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/history", summary="Prices over time", responses=openapi.history)
def history(request: Request, parameters: Annotated[HistoryParameters, Query()]) -> Response:
    """One row per offer and interval in which its price did not change; with `every` one row per step."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.history(
            parameters.gpu,
            **parameters.filters(),
            **parameters.span(),
            every=parameters.every,
            stat=parameters.stat,
            # one more than asked for, to know whether there are more
            limit=parameters.limit + 1,
        )
        is_cut = len(rows) > parameters.limit
        shown = rows[: parameters.limit]
        answer = Listing("history", shown, len(shown), more={"is_cut": is_cut, "remarks": rows.remarks})
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/changes", summary="When prices changed", responses=openapi.rows("changes"))
def changes(request: Request, parameters: Annotated[ChangeParameters, Query()]) -> Response:
    """One row per offer and change of its price, the newest first."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.price_moves(
            parameters.gpu,
            **parameters.filters(),
            **parameters.span(),
            limit=parameters.limit,
        )
        return listing(request, ledger.edition, Listing("changes", rows, len(rows)), parameters.format)


@router.get("/prices/{price_id}", summary="Which observation a price is from", responses=openapi.price)
def price_receipt(
    request: Request,
    price_id: Annotated[str, Path(max_length=200, examples=["runpod:92f1c41de7bb0a31:1795262400000000"])],
) -> Response:
    """Run, document and its hash."""
    with ledger_of(request).pinned() as ledger:
        try:
            answer = ledger.price_receipt(price_id)
        except NoOfferError as error:
            raise ProblemError(404, "no-such-price", str(error)) from error
        return one(ledger.edition, ledger.clock(), answer)


@router.get("/index", summary="The price index of accelerators", responses=openapi.rows("index"))
def index(request: Request, parameters: Annotated[IndexParameters, Query()]) -> Response:
    """The panel index from matched offers: one row per accelerator and day."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.index(
            parameters.gpu,
            **parameters.series(),
        )
        answer = Listing("index", rows, len(rows), more={"remarks": rows.remarks})
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/index/check", summary="Days of the index, computed anew", responses=openapi.rows("check"))
def index_check(request: Request, parameters: Annotated[IndexCheckParameters, Query()]) -> Response:
    """From the archived bytes, compared with what is stored: one row per day and provider, then one of the index."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.check_index(
            parameters.gpu,
            parameters.day,
            **parameters.series(),
        )
        answer = Listing("check", rows, len(rows), more={"remarks": rows.remarks})
        return listing(request, ledger.edition, answer, parameters.format)


@router.get("/timing", summary="Is now a good time to buy", responses=openapi.timing)
def timing(request: Request, parameters: Annotated[TimingParameters, Query()]) -> Response:
    """Today's price among past days, its trend, and what waiting did in the past. No forecast."""
    with ledger_of(request).pinned() as ledger:
        answer = ledger.timing(
            parameters.gpu,
            gpu_hours=parameters.gpu_hours,
            by=parameters.by,
            purchase_option=parameters.purchase_option,
        )
        return one(ledger.edition, ledger.clock(), answer)


def _list(request: Request, parameters: Parameters, name: str) -> Response:
    with ledger_of(request).pinned() as ledger:
        rows = getattr(ledger, name)()
        return listing(request, ledger.edition, Listing(name, rows, len(rows)), parameters.format)


@router.get("/gpus", summary="Accelerators with their cheapest prices", responses=openapi.rows("gpus"))
def gpus(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """Every accelerator known, those with most providers first."""
    return _list(request, parameters, "gpus")


@router.get("/providers", summary="Providers with offers", responses=openapi.rows("providers"))
def providers(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """Number of offers, accelerators and regions, and the age of the prices."""
    return _list(request, parameters, "providers")


@router.get("/regions", summary="Regions with offers", responses=openapi.rows("regions"))
def regions(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """Provider's code, place, country and continent."""
    return _list(request, parameters, "regions")


@router.get("/sources", summary="Where prices are read", responses=openapi.rows("sources"))
def sources(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """How often each source is read, and which keys add to it."""
    return _list(request, parameters, "sources")


@router.get("/presets", summary="Plans known by name", responses=openapi.rows("presets"))
def presets(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """Each published network, and each way of fine-tuning the popular ones."""
    return _list(request, parameters, "presets")


@router.get("/unmapped", summary="Labels that no alias explains", responses=openapi.rows("unmapped"))
def unmapped(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """Their prices stay in the ledger; no quote uses them."""
    return _list(request, parameters, "unmapped")


@router.get("/watches", summary="Prices that are waited for", responses=openapi.rows("watches"))
def watches(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """As they were at the last look; `POST` begins one, `DELETE /v1/watches/{watch_id}` ends it."""
    return _list(request, parameters, "watches")


@router.get("/status", summary="Freshness of each source", responses=openapi.rows("sources"))
def status(request: Request, parameters: Annotated[Parameters, Query()]) -> Response:
    """Age against the target, and how the last run went."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.status()
        stale = sum(row["is_stale"] for row in rows)
        answer = Listing(
            "sources",
            rows,
            len(rows),
            stale=stale,
            more={"imports": ledger.imports(), "remarks": rows.remarks},
        )
        return listing(request, ledger.edition, answer, parameters.format)

"""Routes that read prices: offers, the cheapest, history, index, timing, and what there is to choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gpuledger.core.errors import UsageError
from gpuledger.web import openapi
from gpuledger.web.cursor import Cursor, fingerprint, read_cursor
from gpuledger.web.parameters import (
    CheapestParameters,
    HistoryParameters,
    IndexParameters,
    OfferParameters,
    Parameters,
    ReserveParameters,
    SpreadParameters,
    TimingParameters,
)
from gpuledger.web.problems import ProblemError
from gpuledger.web.responses import Listing, is_stale, ledger_of, listing, one

router = APIRouter(prefix="/v1", tags=["prices"])


@router.get("/offers", summary="Offers, the most reliable prices first", responses=openapi.offers)
def offers(request: Request, asked: Annotated[OfferParameters, Query()]) -> Response:
    """One row per offer on sale, now or at a past time. Pages of one cursor are all from one snapshot."""
    question = fingerprint(asked.question())
    after = None if asked.cursor is None else read_cursor(asked.cursor, question)
    query = asked.page_query(skip_rows=0 if after is None else after.skip_rows)
    try:
        with ledger_of(request).pinned(None if after is None else after.snapshot) as ledger:
            rows = ledger.offer_page(query, as_of=asked.as_of)
            edition = ledger.edition
    except UsageError as error:
        if after is not None and "not kept any more" in str(error):
            raise ProblemError(410, "snapshot-gone", str(error)) from error
        raise
    end = query.skip_rows + len(rows)
    more = Cursor(edition.number, end, question).text() if rows and end < rows.total else None
    answer = Listing(
        "offers", rows, rows.total, next_cursor=more, stale=is_stale(rows), more={"as_of": rows.as_of}
    )
    return listing(request, edition, answer, asked.format)


@router.get("/offers/cheapest", summary="The cheapest offer of each provider", responses=openapi.cheapest)
def cheapest(request: Request, asked: Annotated[CheapestParameters, Query()]) -> Response:
    """Ranked per GPU-hour. Stale prices do not win unless allowed, or unless there is nothing else."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.cheapest(
            asked.gpu,
            **asked.filters(["on_demand"]),
            as_of=asked.as_of,
            allow_stale=asked.allow_stale,
            limit=asked.limit,
        )
        more = {"as_of": rows.as_of, "remarks": rows.remarks}
        answer = Listing("offers", rows, rows.total, stale=is_stale(rows), more=more)
        return listing(request, ledger.edition, answer, asked.format)


@router.get("/offers/spread", summary="How prices differ between groups", responses=openapi.rows("spread"))
def spread(request: Request, asked: Annotated[SpreadParameters, Query()]) -> Response:
    """Least, median and greatest price per GPU-hour of each group of offers, the cheapest group first."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.spread(asked.gpu, by=asked.by, **asked.filters(["on_demand"]), as_of=asked.as_of)
        answer = Listing("spread", rows[: asked.limit], len(rows), more={"as_of": rows.as_of})
        return listing(request, ledger.edition, answer, asked.format)


@router.get("/offers/reserve", summary="Reserve or pay by the hour", responses=openapi.rows("reserve"))
def reserve(request: Request, asked: Annotated[ReserveParameters, Query()]) -> Response:
    """The share of hours that must be used before a reservation costs less than on-demand."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.reserve(asked.gpu, providers=asked.provider, regions=asked.region, as_of=asked.as_of)
        answer = Listing("reserve", rows, len(rows), more={"as_of": rows.as_of})
        return listing(request, ledger.edition, answer, asked.format)


@router.get("/history", summary="Prices over time", responses=openapi.history)
def history(request: Request, asked: Annotated[HistoryParameters, Query()]) -> Response:
    """One row per offer and interval in which its price did not change; with `every` one row per step."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.history(
            asked.gpu,
            **asked.filters(),
            since=asked.since,
            until=asked.until,
            every=asked.every,
            stat=asked.stat,
            # one more than asked for, to know whether there are more
            limit=asked.limit + 1,
        )
        is_cut = len(rows) > asked.limit
        shown = rows[: asked.limit]
        answer = Listing("history", shown, len(shown), more={"is_cut": is_cut})
        return listing(request, ledger.edition, answer, asked.format)


@router.get("/index", summary="The price index of accelerators", responses=openapi.rows("index"))
def index(request: Request, asked: Annotated[IndexParameters, Query()]) -> Response:
    """The panel index from matched offers: one row per accelerator and day."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.index(
            asked.gpu,
            purchase_option=asked.purchase_option,
            segment=asked.segment,
            since=asked.since,
            until=asked.until,
        )
        return listing(request, ledger.edition, Listing("index", rows, len(rows)), asked.format)


@router.get("/timing", summary="Is now a good time to buy", responses=openapi.timing)
def timing(request: Request, asked: Annotated[TimingParameters, Query()]) -> Response:
    """Today's price among past days, its trend, and what waiting did in the past. No forecast."""
    with ledger_of(request).pinned() as ledger:
        answer = ledger.timing(
            asked.gpu, gpu_hours=asked.gpu_hours, by=asked.by, purchase_option=asked.purchase_option
        )
        return one(ledger.edition, ledger.clock(), answer)


def _list(request: Request, asked: Parameters, name: str) -> Response:
    with ledger_of(request).pinned() as ledger:
        rows = getattr(ledger, name)()
        return listing(request, ledger.edition, Listing(name, rows, len(rows)), asked.format)


@router.get("/gpus", summary="Accelerators with their cheapest prices", responses=openapi.rows("gpus"))
def gpus(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Every accelerator known, those with most providers first."""
    return _list(request, asked, "gpus")


@router.get("/providers", summary="Providers with offers", responses=openapi.rows("providers"))
def providers(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Number of offers, accelerators and regions, and the age of the prices."""
    return _list(request, asked, "providers")


@router.get("/regions", summary="Regions with offers", responses=openapi.rows("regions"))
def regions(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Provider's code, place, country and continent."""
    return _list(request, asked, "regions")


@router.get("/sources", summary="Where prices are read", responses=openapi.rows("sources"))
def sources(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """How often each source is read, and which keys add to it."""
    return _list(request, asked, "sources")


@router.get("/presets", summary="Plans known by name", responses=openapi.rows("presets"))
def presets(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Each published network, and each way of fine-tuning the popular ones."""
    return _list(request, asked, "presets")


@router.get("/unmapped", summary="Labels that no alias explains", responses=openapi.rows("unmapped"))
def unmapped(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Their prices stay in the ledger; no quote uses them."""
    return _list(request, asked, "unmapped")


@router.get("/status", summary="Freshness of each source", responses=openapi.rows("sources"))
def status(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Age against the target, and how the last run went."""
    with ledger_of(request).pinned() as ledger:
        rows = ledger.status()
        stale = sum(row["is_stale"] for row in rows)
        answer = Listing("sources", rows, len(rows), stale=stale, more={"imports": ledger.imports()})
        return listing(request, ledger.edition, answer, asked.format)

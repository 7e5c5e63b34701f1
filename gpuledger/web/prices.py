"""Routes that read prices: offers, the cheapest, history, and what there is to choose from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gpuledger.core.errors import UsageError
from gpuledger.desk import is_stale
from gpuledger.web import openapi
from gpuledger.web.cursor import Cursor, fingerprint, read_cursor
from gpuledger.web.parameters import (
    CheapestParameters,
    HistoryParameters,
    OfferParameters,
    Parameters,
    instant,
)
from gpuledger.web.problems import ProblemError
from gpuledger.web.responses import Listing, desk_of, listing

router = APIRouter(prefix="/v1", tags=["prices"])


@router.get("/offers", summary="Offers, cheapest per GPU-hour first", responses=openapi.offers)
def offers(request: Request, asked: Annotated[OfferParameters, Query()]) -> Response:
    """One row per offer on sale, now or at a past time. Pages of one cursor are all from one snapshot."""
    desk = desk_of(request)
    question = fingerprint(asked.question())
    after = None if asked.cursor is None else read_cursor(asked.cursor, question)
    as_of = instant(asked.as_of, "as_of")
    query = asked.page_query(skip_rows=0 if after is None else after.skip_rows)
    try:
        with desk.reading(None if after is None else after.snapshot) as served:
            found = desk.offers(served, query, as_of=as_of)
    except UsageError as error:
        if after is not None and "not kept any more" in str(error):
            raise ProblemError(410, "snapshot-gone", str(error)) from error
        raise
    end = query.skip_rows + len(found.rows)
    more = None
    if found.rows and end < found.total:
        more = Cursor(served.edition.number, end, question).text()
    answer = Listing(
        "offers",
        found.rows,
        found.total,
        next_cursor=more,
        stale=is_stale(found.rows),
        more={"as_of": as_of or desk.clock()},
    )
    return listing(request, served.edition, desk.clock(), answer, asked.format)


@router.get("/offers/cheapest", summary="The cheapest offer of each provider", responses=openapi.cheapest)
def cheapest(request: Request, asked: Annotated[CheapestParameters, Query()]) -> Response:
    """Ranked per GPU-hour. Stale prices do not win unless allowed, or unless there is nothing else."""
    desk = desk_of(request)
    as_of = instant(asked.as_of, "as_of")
    wanted = asked.query(["on_demand"])
    with desk.reading() as served:
        rows, remarks = desk.cheapest(served, wanted, as_of=as_of, allow_stale=asked.allow_stale)
    answer = Listing(
        "offers",
        rows[: asked.limit],
        len(rows),
        stale=is_stale(rows[: asked.limit]),
        more={"as_of": as_of or desk.clock(), "remarks": remarks},
    )
    return listing(request, served.edition, desk.clock(), answer, asked.format)


@router.get("/history", summary="Prices over time", responses=openapi.history)
def history(request: Request, asked: Annotated[HistoryParameters, Query()]) -> Response:
    """One row per offer and interval in which its price did not change; with `every` one row per step."""
    desk = desk_of(request)
    since, until = instant(asked.since, "from"), instant(asked.until, "to")
    # one more than asked for, to know whether there are more
    wanted = asked.query(max_rows=asked.limit + 1)
    with desk.reading() as served:
        if asked.every is None:
            rows = desk.intervals(served, wanted, since=since, until=until)
        else:
            rows = desk.series(served, wanted, since=since, until=until, every=asked.every, stat=asked.stat)
    is_cut = len(rows) > asked.limit
    answer = Listing("history", rows[: asked.limit], min(len(rows), asked.limit), more={"is_cut": is_cut})
    return listing(request, served.edition, desk.clock(), answer, asked.format)


def _list(request: Request, asked: Parameters, query: str) -> Response:
    desk = desk_of(request)
    with desk.reading() as served:
        rows = desk.listing(served, query)
    return listing(request, served.edition, desk.clock(), Listing(query, rows, len(rows)), asked.format)


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


@router.get("/status", summary="Freshness of each source", responses=openapi.rows("sources"))
def status(request: Request, asked: Annotated[Parameters, Query()]) -> Response:
    """Age against the target, and how the last run went."""
    desk = desk_of(request)
    with desk.reading() as served:
        rows: list[dict[str, Any]] = desk.status(served)
        imports = desk.imports(served)
    stale = sum(row["is_stale"] for row in rows)
    answer = Listing("sources", rows, len(rows), stale=stale, more={"imports": imports})
    return listing(request, served.edition, desk.clock(), answer, asked.format)

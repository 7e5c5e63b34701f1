"""Routes for what may come of a plan: drivers, the gate, and reports."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request
from pydantic import Field, create_model
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gpuledger.formats import ReportForm
from gpuledger.web import openapi
from gpuledger.web.bodies import object_of, plan_in, plan_or_none, text_in
from gpuledger.web.parameters import AsOfParameters, QuoteParameters, options_of
from gpuledger.web.plans import answered
from gpuledger.web.responses import ledger_of

OutlookOptions = Annotated[QuoteParameters, Query()]  # pyright: ignore[reportInvalidTypeForm]
router = APIRouter(prefix="/v1", tags=["plans"])
_DRIVERS: dict[str, Any] = {
    "draws": (int, Field(10_000, ge=100, le=1_000_000, description="Draws of the project's Monte-Carlo.")),
    "seed": (int, Field(0, ge=0, le=2**31, description="The same seed gives the same answer.")),
}
DriversParameters: type[AsOfParameters] = cast("Any", create_model)(
    "DriversParameters", __base__=QuoteParameters, **_DRIVERS
)
_REPORT: dict[str, Any] = {
    "kind": (
        ReportForm,
        Field(ReportForm.MD, description="Markdown, a page, or a usage file of Infracost."),
    )
}
ReportParameters: type[AsOfParameters] = cast("Any", create_model)(
    "ReportParameters", __base__=QuoteParameters, **_REPORT
)


class MarkdownResponse(Response):
    """What a report is unless a page is asked for."""

    media_type = "text/markdown"


AskedDrivers = Annotated[DriversParameters, Query()]  # pyright: ignore[reportInvalidTypeForm]
AskedReport = Annotated[ReportParameters, Query()]  # pyright: ignore[reportInvalidTypeForm]


@router.post(
    "/drivers",
    summary="What drives a plan's cost",
    responses=openapi.decision,
    openapi_extra=openapi.optional_plan_body,
)
async def drivers(
    request: Request,
    parameters: AskedDrivers,
) -> Response:
    """Shares of variance, ten ways to spend less, and the chances to keep budget and deadline."""
    plan, options = await plan_or_none(request), _stated_options(parameters)
    return await answered(request, lambda ledger: ledger.drivers(plan, **options))


@router.post(
    "/checks",
    summary="A gate for a plan",
    responses=openapi.decision,
    openapi_extra=openapi.check_body,
)
async def check(
    request: Request,
    parameters: OutlookOptions,
) -> Response:
    """The body is `{"plan": ..., "lock": TEXT}`; the lock, which may be left out, is what was agreed."""
    content = await object_of(request, "plan", "lock", needed=("plan",))
    plan = await run_in_threadpool(plan_in, content)
    lock, options = text_in(content, "lock"), _stated_options(parameters)
    return await answered(request, lambda ledger: ledger.check(plan, lock=lock, **options))


@router.post(
    "/reports",
    summary="A quote to paste or to print",
    responses=openapi.report,
    response_class=MarkdownResponse,
    openapi_extra=openapi.optional_plan_body,
)
async def report(
    request: Request,
    parameters: AskedReport,
) -> Response:
    """Markdown, or an HTML page that needs nothing from elsewhere."""
    plan, options = await plan_or_none(request), _stated_options(parameters)
    kind = ReportForm(options.get("kind", "md")).media_type

    def answer() -> Response:
        with ledger_of(request).pinned() as ledger:
            return Response(ledger.report(plan, **options), media_type=f"{kind}; charset=utf-8")

    return await run_in_threadpool(answer)


def _stated_options(parameters: AsOfParameters) -> dict[str, Any]:
    return {
        name: value for name, value in options_of(parameters).items() if name in parameters.model_fields_set
    }

"""Routes that price training plans: quotes, their receipts, comparisons, and estimates without prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gpuledger.core.errors import NoOfferError
from gpuledger.core.plan import TrainingPlan
from gpuledger.ledger import Ledger
from gpuledger.questions.plans import UNSAVED
from gpuledger.web import openapi
from gpuledger.web.bodies import object_of, plan_in, plan_of, plan_or_none, plans_in, text_in
from gpuledger.web.parameters import AsOfParameters, EstimateParameters, QuoteParameters, options_of
from gpuledger.web.prefix import prefixed
from gpuledger.web.problems import ProblemError
from gpuledger.web.responses import STALE, headers_of, json_bytes, ledger_of, one

router = APIRouter(prefix="/v1", tags=["plans"])
QuoteId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["7a4e9db9fb1d84fd"])]
QuoteOptionsQuery = Annotated[QuoteParameters, Query()]  # pyright: ignore[reportInvalidTypeForm]


class OverParameters(AsOfParameters):
    """A span of time, and its steps."""

    span: Annotated[str, Field(max_length=80, examples=["2024-01-01..2026-06-01"])] = Field(
        description="First and last date or time; an open end is now."
    )
    every: Annotated[str, Field(max_length=10, examples=["1mo"])] = Field(
        "1mo", description="One quote per 1d, 1w, 1mo."
    )


async def answered(
    request: Request, question: Callable[[Ledger], dict[str, Any]], *, status: int = 200
) -> Response:
    """One object, made in a thread from one snapshot."""

    def answer() -> Response:
        with ledger_of(request).pinned() as ledger:
            content = question(ledger)
            return one(ledger.edition, ledger.clock(), content, status=status)

    return await run_in_threadpool(answer)


@router.post(
    "/quotes",
    summary="Where a plan costs least in all",
    responses=openapi.quotes,
    openapi_extra=openapi.optional_plan_body,
    status_code=201,
)
async def make_quotes(request: Request, parameters: QuoteOptionsQuery) -> Response:
    """The body is a plan, as JSON or TOML, or `{"preset": NAME}`, or nothing where `model` is a parameter. Each quote
    is saved under its id."""
    plan = await plan_or_none(request)
    return await run_in_threadpool(_quoted, request, plan, parameters)


@router.post(
    "/quotes/locked",
    summary="What a plan costs at the prices of a lock",
    responses=openapi.quotes,
    openapi_extra=openapi.body(plan={}, lock={"type": "string"}),
    status_code=201,
)
async def make_locked_quotes(request: Request, parameters: QuoteOptionsQuery) -> Response:
    """The body is `{"plan": ..., "lock": TEXT}`; the same plan and lock have the same answer anywhere, later."""
    content = await object_of(request, "plan", "lock", needed=("plan", "lock"))
    plan = await run_in_threadpool(plan_in, content)
    return await run_in_threadpool(_quoted, request, plan, parameters, text_in(content, "lock"))


def _quoted(
    request: Request, plan: TrainingPlan | None, parameters: AsOfParameters, lock: str | None = None
) -> Response:
    with ledger_of(request).pinned() as ledger:
        answer = ledger.quote(plan, lock=lock, **options_of(parameters))
        response = one(
            ledger.edition,
            ledger.clock(),
            answer.to_dict(),
            stale=sum(quote.price_state in STALE for quote in answer.quotes),
            status=201,
        )
    if UNSAVED not in answer.warnings:
        response.headers["location"] = prefixed(f"/v1/quotes/{answer.quotes[0].quote_id}")
    return response


@router.post(
    "/quotes/batch",
    summary="What each of many plans costs",
    responses=openapi.many("answers"),
    openapi_extra=openapi.body(plans=openapi.PLANS),
)
async def quote_many(request: Request, parameters: QuoteOptionsQuery) -> Response:
    """The body is `{"plans": [...]}`; each has its ranking, or its error. One quote each unless `limit` says more."""
    plans = await run_in_threadpool(plans_in, await object_of(request, "plans", needed=("plans",)))
    options: dict[str, Any] = {"limit": 1} | parameters.model_dump(exclude_unset=True, exclude_none=True)
    return await answered(request, lambda ledger: {"answers": list(ledger.quotes(plans, **options))})


@router.post(
    "/quotes/over",
    summary="What a plan cost at its cheapest, through time",
    responses=openapi.many("steps"),
    openapi_extra=openapi.plan_body,
)
async def quote_over(request: Request, parameters: Annotated[OverParameters, Query()]) -> Response:
    """One row per step: the cheapest quote then, or why there was none."""
    plan, span, every = await plan_of(request), parameters.span, parameters.every
    return await answered(request, lambda ledger: {"steps": ledger.quote_over(plan, span=span, every=every)})


@router.post(
    "/frontier",
    summary="All ways that are best in cost, time or risk",
    responses=openapi.many("points"),
    openapi_extra=openapi.optional_plan_body,
)
async def frontier(request: Request, parameters: QuoteOptionsQuery) -> Response:
    """No other way beats one of these in cost, time and risk at once."""
    plan, options = await plan_of(request), options_of(parameters)
    return await answered(
        request, lambda ledger: {"points": [point.to_dict() for point in ledger.frontier(plan, **options)]}
    )


@router.post(
    "/compare",
    summary="Plans side by side",
    responses=openapi.many("plans"),
    openapi_extra=openapi.body(plans=openapi.PLANS),
)
async def compare(request: Request, parameters: QuoteOptionsQuery) -> Response:
    """The body is `{"plans": [...]}`: what each costs more, and takes longer, than the first."""
    plans = await run_in_threadpool(plans_in, await object_of(request, "plans", needed=("plans",)))
    options = parameters.model_dump(exclude_unset=True, exclude_none=True)
    return await answered(request, lambda ledger: {"plans": ledger.compare(plans, **options)})


@router.post(
    "/locks",
    summary="The prices of an answer, written down",
    responses=openapi.lock,
    openapi_extra=openapi.optional_plan_body,
)
async def lock(request: Request, parameters: QuoteOptionsQuery) -> Response:
    """Text for a file; `POST /v1/quotes/locked` and `quote --lock` read it."""
    plan, options = await plan_of(request), options_of(parameters)
    return await answered(request, lambda ledger: {"lock": ledger.lock(plan, **options)})


@router.get("/quotes/{quote_id}", summary="A quote given earlier", responses=openapi.saved)
def saved_quote(request: Request, quote_id: QuoteId) -> Response:
    """The same bytes as when it was given; prices that changed since do not change it."""
    return Response(json_bytes(_saved(request, quote_id)), media_type="application/json")


@router.get(
    "/quotes/{quote_id}/receipt",
    summary="Which observation every dollar is from",
    responses=openapi.receipt,
)
def receipt(request: Request, quote_id: QuoteId) -> Response:
    """The chain dollars, price, observation, document, and whether the ledger still says the same."""
    _saved(request, quote_id)
    with ledger_of(request).pinned() as ledger:
        return one(ledger.edition, ledger.clock(), ledger.explain(quote_id))


def _saved(request: Request, quote_id: str) -> dict[str, Any]:
    try:
        return ledger_of(request).saved_quote(quote_id)
    except NoOfferError as error:
        raise ProblemError(404, "no-such-quote", str(error)) from error


@router.post(
    "/estimates",
    summary="Hours, memory and fit of a plan, without prices",
    responses=openapi.estimates,
    openapi_extra=openapi.plan_body,
)
async def estimates(request: Request, parameters: Annotated[EstimateParameters, Query()]) -> Response:
    """One estimate per accelerator that the plan allows, fewest GPU-hours first."""
    plan = await plan_of(request)

    def answer() -> Response:
        with ledger_of(request).pinned() as ledger:
            rows = ledger.estimate(plan, **parameters.model_dump())
            headers = headers_of(ledger.edition, ledger.clock()) | {"x-total-count": str(len(rows))}
        content = {"plan": plan.name, "estimates": rows}
        return Response(json_bytes(content), headers=headers, media_type="application/json")

    return await run_in_threadpool(answer)

"""Routes that price training plans: quotes, their receipts, and estimates without prices."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gpuledger.core.cost.physics import estimates_of
from gpuledger.core.cost.question import QuoteOptions
from gpuledger.core.errors import InvalidPlanError, NoOfferError
from gpuledger.core.plan import TrainingPlan, read_plan
from gpuledger.desk import plan_of
from gpuledger.web import openapi
from gpuledger.web.formats import json_bytes
from gpuledger.web.parameters import Instant, Money, Options, SpecText, Texts, dollars, instant
from gpuledger.web.problems import ProblemError
from gpuledger.web.responses import desk_of, headers_of, one

router = APIRouter(prefix="/v1", tags=["plans"])
QuoteId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["7a4e9db9fb1d84fd"])]


class QuoteParameters(BaseModel):
    """What one may ask beside the plan; the command line's flags."""

    model_config = ConfigDict(extra="forbid")

    gpu: SpecText | None = Field(None, description="SPEC; its count is the GPUs of one instance.")
    provider: Texts = Field([], description="Only these providers.")
    region: Texts = Field([], description="Region codes, ISO countries or continents.")
    tier: Texts = Field([], description="secure or community.")
    purchase_option: Options = Field([], description="Default: all.")
    as_of: Instant | None = Field(None, description="Prices of a past time.")
    deadline_hours: float | None = Field(None, gt=0, le=1e6, description="Most wall hours.")
    budget_usd: Money | None = Field(None, description="Most US dollars; the answer says pass or fail.")
    max_gpus: int | None = Field(None, ge=1, le=1_000_000, description="Most GPUs paid for.")
    allow_stale: bool = Field(False, description="Let prices past their target win.")
    limit: int = Field(10, ge=1, le=100, description="At most so many quotes.")
    evidence: bool = Field(True, description="Show the published runs nearest to the plan.")


class EstimateParameters(BaseModel):
    """The hardware, if not the plan names it."""

    model_config = ConfigDict(extra="forbid")

    gpu: SpecText | None = Field(None, description="SPEC.")
    gpus: int | None = Field(None, ge=1, le=1_000_000, description="How many.")
    evidence: bool = Field(True, description="Show the published runs nearest to the plan.")


@router.post(
    "/quotes",
    summary="Where a plan costs least in all",
    responses=openapi.quotes,
    openapi_extra=openapi.plan_body,
    status_code=201,
)
async def make_quotes(request: Request, asked: Annotated[QuoteParameters, Query()]) -> Response:
    """The body is a plan, as JSON or TOML, or `{"preset": NAME}`. Each quote is kept under its id."""
    plan = await _plan(request)
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(_quoted, request, plan, asked)


def _quoted(request: Request, plan: TrainingPlan, asked: QuoteParameters) -> Response:
    desk = desk_of(request)
    options = QuoteOptions(
        gpu=asked.gpu,
        providers=tuple(asked.provider),
        regions=tuple(asked.region),
        tiers=tuple(asked.tier),
        purchase_options=tuple(asked.purchase_option),
        deadline_hours=asked.deadline_hours,
        budget_usd=dollars(asked.budget_usd, "budget_usd"),
        max_gpus=asked.max_gpus,
        allow_stale=asked.allow_stale,
        limit=asked.limit,
        evidence=asked.evidence,
        overrides=desk.overrides(),
    )
    with desk.reading() as served:
        found = desk.quote(served, plan, options, as_of=instant(asked.as_of, "as_of"))
    answer = one(
        served.edition,
        desk.clock(),
        found.to_dict(),
        stale=sum(quote.price_state in ("stale", "unlisted") for quote in found.quotes),
        status=201,
    )
    answer.headers["location"] = f"/v1/quotes/{found.quotes[0].quote_id}"
    return answer


@router.get("/quotes/{quote_id}", summary="A quote given earlier", responses=openapi.kept)
def kept_quote(request: Request, quote_id: QuoteId) -> Response:
    """The same bytes as when it was given; prices that changed since do not change it."""
    return Response(json_bytes(_kept(request, quote_id)), media_type="application/json")


@router.get(
    "/quotes/{quote_id}/receipt",
    summary="Which observation every dollar is from",
    responses=openapi.receipt,
)
def receipt(request: Request, quote_id: QuoteId) -> Response:
    """The chain dollars, price, observation, document, and whether the ledger still says the same."""
    desk = desk_of(request)
    _kept(request, quote_id)
    with desk.reading() as served:
        found = desk.explained(served, quote_id)
    return one(served.edition, desk.clock(), found)


def _kept(request: Request, quote_id: str) -> dict[str, Any]:
    try:
        return desk_of(request).kept(quote_id)
    except NoOfferError as error:
        raise ProblemError(404, "no-such-quote", str(error)) from error


@router.post(
    "/estimates",
    summary="Hours, memory and fit of a plan, without prices",
    responses=openapi.estimates,
    openapi_extra=openapi.plan_body,
)
async def estimates(request: Request, asked: Annotated[EstimateParameters, Query()]) -> Response:
    """One estimate per accelerator that the plan allows, fewest GPU-hours first."""
    plan = await _plan(request)
    from starlette.concurrency import run_in_threadpool

    found = await run_in_threadpool(
        estimates_of, plan, gpu=asked.gpu, gpus=asked.gpus, evidence=asked.evidence
    )
    desk = desk_of(request)
    headers = headers_of(desk.pool.newest(), desk.clock()) | {"x-total-count": str(len(found))}
    content = {"plan": plan.name, "estimates": [estimate.to_dict() for estimate in found]}
    return Response(json_bytes(content), headers=headers, media_type="application/json")


async def _plan(request: Request) -> TrainingPlan:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    body = await request.body()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidPlanError("body", f"not UTF-8 text: {error}") from error
    if kind == "application/toml":
        return read_plan(text, syntax="toml")
    if kind != "application/json":
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"content-type: {kind[:80]!r}; send application/json or application/toml",
        )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPlanError("body", f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidPlanError("body", f"must be an object of plan keys, got {type(content).__name__}")
    return plan_of(content)  # pyright: ignore[reportUnknownArgumentType]

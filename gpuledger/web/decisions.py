"""Routes for decisions around a training plan, and for SQL."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gpuledger.core.errors import UsageError
from gpuledger.web import openapi
from gpuledger.web.bodies import object_of, plan_in, plan_of, text_in
from gpuledger.web.parameters import Instant, Money, SpecText, Strict, Tokens
from gpuledger.web.plans import answered
from gpuledger.web.responses import ledger_of, one

router = APIRouter(prefix="/v1", tags=["decisions"])


class AsOfBody(Strict):
    """Prices of when, and which may win."""

    as_of: Instant | None = Field(None, description="Prices of a past time; UTC without an offset.")
    allow_stale: bool = Field(False, description="Let prices past their freshness target win.")


class SizeParameters(AsOfBody):
    """A budget, and what is served later."""

    budget_usd: Money = Field(description="US dollars for training, and for serving if asked.")
    inference_tokens: Tokens | None = Field(None, description="Tokens to be served over the model's life.")
    deadline_hours: float | None = Field(None, gt=0, description="Longest run; 90 days without.")


class OwnOrRentParameters(Strict):
    """Machines, and what they are held against."""

    gpus: int = Field(ge=1, le=1_000_000, description="GPUs bought.")
    capex_usd: Money = Field(description="US dollars for the machines.")
    gpu: SpecText | None = Field(None, description="SPEC to rent instead, at its cheapest.")
    rent_usd_per_gpu_hour: Money | None = Field(None, description="US dollars of rent per GPU-hour.")
    utilisation: float = Field(1.0, gt=0, le=1, description="Share of the hours in which they work.")
    running_usd_per_month: Money = Field("0", description="US dollars a month: space, repair, people.")
    watts_per_gpu: Money | None = Field(
        None, description="Watts of one GPU with its share of the host; assumed without."
    )
    usd_per_kwh: Money | None = Field(None, description="US dollars per kWh; an assumed price without.")
    as_of: Instant | None = Field(None, description="Prices of a past time; UTC without an offset.")


class BuildOrBuyParameters(AsOfBody):
    """The API that is held against training."""

    api_usd_per_1k: Money | None = Field(None, description="US dollars that the API takes per 1,000 tokens.")
    api: Annotated[str, Field(max_length=200, examples=["openai/gpt-4o-mini"])] | None = Field(
        None, description="API whose price is taken, where none is given."
    )
    output_share: float = Field(0.25, ge=0, le=1, description="Share of a call's tokens that are output.")
    calls_per_month: Money = Field(description="Calls a month.")
    tokens_per_call: Money = Field("1000", description="Tokens of one call.")
    months: Money = Field("12", description="Months that are looked at.")
    own_usd_per_1k: Money = Field("0", description="US dollars of own inference per 1,000 tokens.")
    api_training_usd_per_1k: Money | None = Field(
        None, description="Fine-tuning at the API per 1,000 tokens."
    )
    hosting_usd_per_month: Money | None = Field(None, description="US dollars a month of hosting.")


class QueryParameters(Strict):
    """One read-only query."""

    q: Annotated[str, Field(max_length=20_000, examples=["select count(*) from offer_latest"])]


def _stated(parameters: Strict) -> dict[str, Any]:
    return parameters.model_dump(exclude_none=True)


@router.get("/decisions/size", summary="The model that a budget trains best", responses=openapi.decision)
def size(request: Request, parameters: Annotated[SizeParameters, Query()]) -> Response:
    """Parameters and tokens of the best model that the money trains at the cheapest offers."""
    with ledger_of(request).pinned() as ledger:
        return one(ledger.edition, ledger.clock(), ledger.size(**_stated(parameters)))


@router.get("/decisions/own-or-rent", summary="Buy machines or rent them", responses=openapi.decision)
def own_or_rent(request: Request, parameters: Annotated[OwnOrRentParameters, Query()]) -> Response:
    """The month from which owning has cost less."""
    with ledger_of(request).pinned() as ledger:
        return one(ledger.edition, ledger.clock(), ledger.own_or_rent(**_stated(parameters)))


@router.post(
    "/decisions/build-or-buy",
    summary="Train and host, or buy from an API",
    responses=openapi.decision,
    openapi_extra=openapi.plan_body,
)
async def build_or_buy(request: Request, parameters: Annotated[BuildOrBuyParameters, Query()]) -> Response:
    """Totals of both, and the calls a month at which they meet."""
    plan = await plan_of(request)
    return await answered(request, lambda ledger: ledger.build_or_buy(plan, **_stated(parameters)))


@router.post(
    "/decisions/budget",
    summary="What was paid against what was planned",
    responses=openapi.many("lines"),
    openapi_extra=openapi.body(
        plan={}, paid={"type": "object", "additionalProperties": True}, lock={"type": "string"}
    ),
)
async def budget(request: Request, parameters: Annotated[AsOfBody, Query()]) -> Response:
    """The body is `{"plan": ..., "paid": {LINE: USD}}`, and a lock if there is one."""
    content = await object_of(request, "plan", "paid", "lock", needed=("plan", "paid"))
    plan, lock, paid = (
        plan_in(content),
        text_in(content, "lock"),
        cast("dict[str, Any] | str", content["paid"]),
    )
    if not isinstance(content["paid"], (dict, str)):
        raise UsageError("body: paid must be US dollars by line, or CSV text with name and usd")
    options = _stated(parameters)
    return await answered(
        request, lambda ledger: {"lines": ledger.budget_difference(plan, paid, lock=lock, **options)}
    )


@router.get("/decisions/claims", summary="Numbers of articles, checked", responses=openapi.many("claims"))
def claims(request: Request) -> Response:
    """What was stated against what it implies."""
    with ledger_of(request).pinned() as ledger:
        return one(ledger.edition, ledger.clock(), {"claims": ledger.claims()})


@router.post(
    "/decisions/lint",
    summary="Can this plan be true",
    responses=openapi.many("findings"),
    openapi_extra=openapi.plan_body,
)
async def lint(request: Request) -> Response:
    """The plan against memory, arithmetic and physics; one row per check."""
    plan = await plan_of(request)
    return await answered(request, lambda ledger: {"findings": ledger.lint(plan)})


@router.get("/sql", summary="One read-only query", responses=openapi.many("rows"))
async def sql(request: Request, parameters: Annotated[QueryParameters, Query()]) -> Response:
    """Rows of SQL on the newest snapshot: no files, no extensions, no settings; 20 seconds and 10,000 rows at most."""

    def answer() -> Response:
        ledger = ledger_of(request)
        return one(ledger.edition, ledger.clock(), {"rows": ledger.query(parameters.q)})

    return await run_in_threadpool(answer)

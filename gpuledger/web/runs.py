"""Routes for what was paid, what serving costs, and what of one's own runs is known.

What was paid is of nobody else: those routes answer on this machine, or to who has the server's token.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gpuledger.core.errors import UsageError
from gpuledger.web import openapi
from gpuledger.web.access import LOOPBACK
from gpuledger.web.bodies import object_of, plan_of
from gpuledger.web.decisions import AsOfBody
from gpuledger.web.parameters import Instant, Money, SpecText, Strict, Tokens
from gpuledger.web.plans import answered
from gpuledger.web.problems import ProblemError
from gpuledger.web.responses import ledger_of, one

router = APIRouter(prefix="/v1", tags=["runs"])
IdList = Annotated[list[str], Field(max_length=50)]
Api = Annotated[str, Field(max_length=200, examples=["openai/gpt-4o-mini"])]


class CompareParameters(AsOfBody):
    """Which charges, and which quote."""

    quote_id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = Field(
        None, description="Of the quote that was planned with; the last of the plan without."
    )
    since: Instant | None = Field(None, description="Charges that began before are left out.")
    until: Instant | None = Field(None, description="Charges that began then or later are left out.")


class TokenPriceParameters(Strict):
    """Which APIs, and when."""

    words: Annotated[str, Field(max_length=100)] = Field("", description="All of them in provider/model.")
    as_of: Instant | None = Field(None, description="Prices of a past day.")


class ServeCostParameters(AsOfBody):
    """A model and what is asked of it."""

    model: Annotated[str, Field(max_length=100, examples=["llama-3.1-8b"])] = Field(
        description="A preset, or a count of parameters such as 7B."
    )
    requests_per_day: Tokens = Field(description="Requests a day.")
    input_tokens: Tokens = Field(1000.0, description="Of one request.")
    output_tokens: Tokens = Field(300.0, description="Of one answer.")
    samples: int = Field(1, ge=1, le=10_000, description="Answers made per request.")
    peak_factor: float | None = Field(None, ge=1, le=1000, description="Busiest hour over the mean one; 2.")
    milliseconds_per_token: float | None = Field(
        None, gt=0, le=1e6, description="The longest that one may take."
    )
    precision: Annotated[str, Field(max_length=10)] | None = Field(None, description="Of the weights.")
    gpu: SpecText | None = Field(None, description="SPEC of the accelerators.")
    provider: IdList = Field([], description="Provider ids.")
    region: IdList = Field([], description="Region codes, ISO countries or continents.")
    months: Money = Field("12", description="Of the lifetime.")
    api: Api | None = Field(None, description="To compare with.")
    build_usd: Money | None = Field(None, description="US dollars of training, in the lifetime.")
    limit: int = Field(5, ge=1, le=100, description="Machines in the answer.")


class AvailabilityParameters(Strict):
    """Which accelerators, and how long."""

    gpu: SpecText = Field(description="SPEC of the accelerators.")
    gpus: int = Field(1, ge=1, le=1024, description="In one machine.")
    within_hours: float = Field(24.0, gt=0, le=2160, description="To wait at most.")
    stays_hours: float = Field(6.0, gt=0, le=2160, description="That a machine should stay.")
    provider: IdList = Field([], description="Provider ids.")
    region: IdList = Field([], description="Region codes, ISO countries or continents.")
    spot: bool = Field(False, description="Spot machines; on-demand ones without.")


def _named_options(parameters: Strict) -> dict[str, Any]:
    named_options = parameters.model_dump(exclude_none=True)
    for name, plural in (("provider", "providers"), ("region", "regions")):
        if name in named_options:
            named_options[plural] = named_options.pop(name) or None
    return named_options


def _is_own(request: Request) -> None:
    """Refuse strangers.

    Raises:
        ProblemError: from another machine, to a server without a token.
    """
    host = request.client.host if request.client else ""
    # a proxy on this machine, too, calls from it
    is_here = host in LOOPBACK and "x-forwarded-for" not in request.headers
    if not is_here and not request.app.state.settings.token:
        raise ProblemError(
            403, "forbidden", "bills and watches are for this machine, or for a server with a token"
        )


@router.get("/actuals", summary="Bills that were imported", responses=openapi.many("bills"))
def bills(request: Request) -> Response:
    """What was taken of each, and what was refused."""
    _is_own(request)
    with ledger_of(request).pinned() as ledger:
        return one(ledger.edition, ledger.clock(), {"bills": ledger.actual_bills()})


@router.post(
    "/actuals/compare",
    summary="Planned against paid",
    responses=openapi.decision,
    openapi_extra=openapi.plan_body,
)
async def compare(request: Request, parameters: Annotated[CompareParameters, Query()]) -> Response:
    """Lines with price and quantity variance apart, what ran idle, what was not planned."""
    _is_own(request)
    plan = await plan_of(request)
    return await answered(request, lambda ledger: ledger.compare_actuals(plan, **_named_options(parameters)))


@router.get("/accuracy", summary="How far own estimates were", responses=openapi.decision)
def accuracy(request: Request) -> Response:
    """Metered runs against their quotes, and measured speeds against computed ones."""
    _is_own(request)
    with ledger_of(request).pinned() as ledger:
        return one(ledger.edition, ledger.clock(), ledger.accuracy())


@router.post(
    "/watches",
    summary="Wait for a price",
    responses=openapi.watch,
    openapi_extra=openapi.watch_body,
    status_code=201,
)
async def watch(request: Request) -> Response:
    """Whoever the settings name is told once when the price falls below: looked at after each refresh."""
    _is_own(request)
    content = await object_of(
        request, "gpu", "below", "purchase_option", "providers", needed=("gpu", "below")
    )
    for name in ("gpu", "purchase_option"):
        if not isinstance(content.get(name, ""), str):
            raise UsageError(f"body: {name} must be text, got {json.dumps(content[name]):.80}")
    providers = content.get("providers", [])
    named = cast("list[object]", providers if isinstance(providers, list) else [providers])
    if not all(isinstance(one, str) for one in named):
        raise UsageError(f"body: providers must be a list of provider ids, got {json.dumps(providers):.80}")
    gpu = content.pop("gpu")
    return await answered(request, lambda ledger: ledger.watch(gpu, **content), status=201)


@router.delete("/watches/{watch_id}", summary="Wait no longer", responses=openapi.watches_left)
async def end_watch(request: Request, watch_id: Annotated[str, Path(pattern="^[0-9a-f]{8}$")]) -> Response:
    """The watches that are left."""
    _is_own(request)
    return await answered(request, lambda ledger: {"watches": ledger.end_watch(watch_id)})


@router.get("/token-prices", summary="What APIs take for tokens", responses=openapi.many("prices"))
def token_prices(request: Request, parameters: Annotated[TokenPriceParameters, Query()]) -> Response:
    """US dollars per million tokens, on a day."""
    with ledger_of(request).pinned() as ledger:
        return one(
            ledger.edition, ledger.clock(), {"prices": ledger.token_prices(**_named_options(parameters))}
        )


@router.get("/serve-cost", summary="What serving a model costs", responses=openapi.decision)
async def serve_cost(request: Request, parameters: Annotated[ServeCostParameters, Query()]) -> Response:
    """The cheapest machines at a load, and from where on an API costs more."""
    return await run_in_threadpool(_serve_cost, request, _named_options(parameters))


def _serve_cost(request: Request, named_options: dict[str, Any]) -> Response:
    with ledger_of(request).pinned() as ledger:
        return one(
            ledger.edition, ledger.clock(), ledger.serve_cost(named_options.pop("model"), **named_options)
        )


@router.get("/availability", summary="Can I get it", responses=openapi.decision)
def availability(request: Request, parameters: Annotated[AvailabilityParameters, Query()]) -> Response:
    """The chance that accelerators are there within a time, and that a spot machine stays."""
    named_options = _named_options(parameters)
    options = ["spot"] if named_options.pop("spot") else ["on_demand"]
    with ledger_of(request).pinned() as ledger:
        answer = ledger.availability(named_options.pop("gpu"), purchase_options=options, **named_options)
        return one(ledger.edition, ledger.clock(), answer)

"""The server: REST routes and the page over one ledger, behind the gate, in one process of uvicorn or several."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from gpuledger.core.errors import GPULedgerError
from gpuledger.core.store.home import Home
from gpuledger.core.store.snapshot_pool import SnapshotPool
from gpuledger.ledger import Ledger
from gpuledger.questions.reader import QueryLimits
from gpuledger.web import decisions, health, outlook, plans, prices, problems, runs
from gpuledger.web.connections import Places, PromptProtocol
from gpuledger.web.gate import Gate, GateSettings
from gpuledger.web.metrics import RequestMeter
from gpuledger.web.prefix import behind


def listen(
    factory: str, *, host: str, port: int, workers: int = 1, proxies: Sequence[str] = (), prefix: str = ""
) -> None:
    """Serve until stopped.

    Args:
        factory: `module:function` that makes the application, called once per process.
        proxies: addresses and networks whose word about their clients is believed: the client's address, by which
            requests are counted, whether it came by HTTPS, and below which path.
        prefix: that path where no proxy names it, as `checked_prefix` returns it.

    Raises:
        SystemExit: the address is taken or is not this machine's.
    """
    # A worker process is forked or imports this anew; both read the environment.
    os.environ["GPULEDGER_SERVE_PROXIES"] = ",".join(proxies)
    os.environ["GPULEDGER_SERVE_PREFIX"] = prefix
    uvicorn.run(
        factory,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=PromptProtocol,
        log_level="warning",
        access_log=False,
        # `from_environment` reads them, within what has to see the proxy itself
        proxy_headers=False,
        server_header=False,
    )


ABOUT = """What GPU clouds charge, since when, and what a training plan costs with it. Read-only; money is
decimal text in US dollars with its unit in the key. Every answer is from one snapshot, which `ETag` names."""


SQL_LIMITS = QueryLimits(seconds=20.0, rows=10_000, mib=64, threads=2, at_once=2)
"""Of strangers' queries, per process that serves; each may take a gigabyte."""


def create_app(
    home: Home,
    *,
    settings: GateSettings | None = None,
    clock: Callable[[], datetime] | None = None,
    environ: Mapping[str, str] | None = None,
    query_limits: QueryLimits = SQL_LIMITS,
) -> ASGIApp:
    """The whole server as one ASGI application.

    Args:
        environ: where `GPULEDGER_OVERRIDES` is looked up; the process's own without.
    """
    pool = SnapshotPool(home)
    ledger = Ledger(home, clock=clock, environ=environ, snapshots=pool, query_limits=query_limits)
    meter = RequestMeter()
    chosen = settings or GateSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        pool.close()

    app = FastAPI(
        title="gpuledger",
        version=_version(),
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.ledger, app.state.pool = ledger, pool
    app.state.meter, app.state.settings = meter, chosen
    for module in (prices, plans, outlook, decisions, runs, health):
        app.include_router(module.router)
    _with_page(app)
    app.add_exception_handler(GPULedgerError, _ours)
    app.add_exception_handler(problems.ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.openapi = lambda: _openapi(app)
    return Gate(app, pool=pool, clock=ledger.clock, settings=chosen, meter=meter)


def from_environment() -> ASGIApp:
    """The server for a worker process: `gpuledger serve` leaves its settings in the environment."""
    hosts = os.environ.get("GPULEDGER_SERVE_HOSTS", "")
    settings = GateSettings(
        token=os.environ.get("GPULEDGER_TOKEN") or None,
        requests_per_second=float(os.environ.get("GPULEDGER_SERVE_RATE", "100")),
        hosts=None if hosts == "*" else tuple(name for name in hosts.split(",") if name),
    )
    proxies = [one for one in os.environ.get("GPULEDGER_SERVE_PROXIES", "").split(",") if one]
    PromptProtocol.places = Places(proxies=proxies)
    app = create_app(Home(Path(os.environ["GPULEDGER_SERVE_HOME"])), settings=settings)
    return behind(app, proxies=proxies, prefix=os.environ.get("GPULEDGER_SERVE_PREFIX", ""))


def _with_page(app: FastAPI) -> None:
    from gpuledger.web.page import views

    views.add_to(app)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gpuledger")
    except PackageNotFoundError:
        return "0"


async def _ours(request: Request, error: Exception) -> Response:
    return problems.of_error(cast("GPULedgerError", error))


async def _problem(request: Request, error: Exception) -> Response:
    result = cast("problems.ProblemError", error)
    return problems.respond(result.status, result.kind, str(result), result.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    return problems.of_validation(cast("RequestValidationError", error).errors())


async def _http(request: Request, error: Exception) -> Response:
    result = cast("HTTPException", error)
    if result.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        from gpuledger.web.page.views import not_found

        return not_found(request)
    kind = {404: "not-found", 405: "method-not-allowed"}.get(result.status_code, "http")
    detail = f"{request.method} {request.url.path[:200]}: {result.detail}"
    return problems.respond(result.status_code, kind, detail, result.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    return problems.respond(500, "internal", "the server failed; its log says why")


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = made.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = problems.Problem.model_json_schema()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{}, {"token": []}]
        app.openapi_schema = made
    return app.openapi_schema

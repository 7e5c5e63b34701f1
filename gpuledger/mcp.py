"""The ledger's questions as read-only tools of the Model Context Protocol, over standard input or HTTP.

The tools answer what the command line answers, from the same functions. A quote is kept under its id like any
other, so that `explain_quote` can tell later where its dollars are from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, Literal, ParamSpec, cast

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field, ValidationError

from gpuledger.cli import context, table
from gpuledger.core.cost.question import QuoteOptions
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.plan import TrainingPlan, preset_plan, read_plan
from gpuledger.core.store.database import Home
from gpuledger.core.store.snapshot_pool import SnapshotPool
from gpuledger.desk import Desk, is_stale, plan_of
from gpuledger.web.formats import json_bytes
from gpuledger.web.parameters import HistoryParameters, OfferParameters, dollars, instant
from gpuledger.web.responses import sized

INSTRUCTIONS = """Prices of GPU clouds with their history, and what a training plan costs with them. Money is
decimal text in US dollars; `price_state` says whether a price is fresh. Accelerators are named
[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8 or nvidia:24GB..80GB. Say the age and the source of a price when you
pass it on."""

LONGEST = 500
"""Characters of one text; addresses of real sources have up to 300."""
OFFER_KEYS = (
    "provider",
    "via",
    "instance_type",
    "region",
    "country",
    "tier",
    "gpu_id",
    "gpu_label",
    "gpu_count",
    "gpu_memory_gib",
    "purchase_option",
    "term_months",
    "availability",
    "usd_per_gpu_hour",
    "usd_per_hour",
    "price_state",
    "price_age_hours",
    "last_seen_at",
    "price_id",
    "source",
    "source_url",
)
"""What of an offer is worth a reader's attention."""

P = ParamSpec("P")
Answer = dict[str, Any]
Gpu = Annotated[
    str | None, Field(description="[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8; all without.")
]
Names = Annotated[list[str], Field(description="Provider ids, such as runpod, aws, lambda.")]
Past = Annotated[str | None, Field(description="A past date or time, ISO 8601, UTC; now without.")]
Option = Literal["on_demand", "spot", "reserved", "capacity_block"]
READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def _told(question: Callable[P, Answer]) -> Callable[P, Answer]:
    """Our errors as tool errors with their one clear line, and answers as plain JSON without strangers' control
    characters."""

    @wraps(question)
    def asked(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return _calmed(json.loads(json_bytes(question(*args, **kwargs))))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ToolError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except GPULedgerError as error:
            raise ToolError(table.clean(str(error), LONGEST)) from None

    return asked


def _calmed(value: Any) -> Any:
    """The answer with every text printable and short: who reads it may do what a text says, and pays by length."""
    if isinstance(value, str):
        return table.clean(value, LONGEST)
    if isinstance(value, dict):
        return {name: _calmed(one) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_calmed(one) for one in cast("list[Any]", value)]
    return value


def create_server(
    home: Home,
    *,
    clock: Callable[[], datetime] = context.now,
    environ: Mapping[str, str] | None = None,
) -> tuple[MCPServer[Any], Desk]:
    """The server with its five tools, and the desk behind it."""
    desk = Desk(SnapshotPool(home), clock=clock, environ=os.environ if environ is None else environ)
    server: MCPServer[Any] = MCPServer("gpuledger", instructions=INSTRUCTIONS, log_level="WARNING")

    def tool(question: Callable[..., Answer]) -> None:
        server.tool(annotations=READ_ONLY)(_told(question))

    def find_offers(
        gpu: Gpu = None,
        provider: Names = [],  # noqa: B006
        region: Annotated[
            str | None, Field(description="Region code, ISO country or continent (eu).")
        ] = None,
        purchase_option: Option | None = None,
        max_usd_per_gpu_hour: Annotated[str | None, Field(description="As in 2.50.")] = None,
        min_gpu_memory: Annotated[float | None, Field(description="GiB of one accelerator.")] = None,
        as_of: Past = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 10,
    ) -> Answer:
        """Offers on sale, cheapest per GPU-hour first, with age, stock and source."""
        asked = OfferParameters.model_validate(
            {
                "gpu": gpu,
                "provider": provider,
                "region": [] if region is None else [region],
                "purchase_option": [] if purchase_option is None else [purchase_option],
                "max_usd_per_gpu_hour": max_usd_per_gpu_hour,
                "min_gpu_memory": min_gpu_memory,
                "limit": limit,
            }
        )
        with desk.reading() as served:
            found = desk.offers(served, asked.page_query(), as_of=instant(as_of, "as_of"))
        return {
            "snapshot": served.edition.number,
            "total": found.total,
            "stale": is_stale(found.rows),
            "offers": [{key: row[key] for key in OFFER_KEYS} for row in map(sized, found.rows)],
        }

    def price_history(
        gpu: Annotated[str, Field(description="[vendor:]NAME[:MEMORY][:COUNT].")],
        provider: Names = [],  # noqa: B006
        purchase_option: Option | None = None,
        since: Annotated[str | None, Field(description="First date.")] = None,
        until: Annotated[str | None, Field(description="Last date.")] = None,
        every: Annotated[str, Field(description="Step: 1h, 1d, 1w, 1mo.")] = "1mo",
        stat: Literal["min", "median"] = "min",
    ) -> Answer:
        """Price per GPU-hour over time, one row per step, with the cheapest provider and how many offers."""
        asked = HistoryParameters.model_validate(
            {
                "gpu": gpu,
                "provider": provider,
                "purchase_option": [] if purchase_option is None else [purchase_option],
            }
        )
        with desk.reading() as served:
            rows = desk.series(
                served,
                asked.query(),
                since=instant(since, "since"),
                until=instant(until, "until"),
                every=every,
                stat=stat,
            )
        return {"snapshot": served.edition.number, "history": rows[-400:], "is_cut": len(rows) > 400}

    def quote_plan(
        plan: Annotated[
            str | dict[str, Any],
            Field(
                description="A preset's name (llama-2-7b-qlora), plan keys as an object, or a plan in TOML."
            ),
        ],
        gpu: Gpu = None,
        provider: Names = [],  # noqa: B006
        region: Annotated[list[str], Field(description="Region codes, countries or continents.")] = [],  # noqa: B006
        purchase_option: list[Option] = [],  # noqa: B006
        deadline_hours: Annotated[float | None, Field(gt=0)] = None,
        budget_usd: Annotated[str | None, Field(description="As in 500.")] = None,
        max_gpus: Annotated[int | None, Field(ge=1)] = None,
        as_of: Past = None,
        allow_stale: bool = False,
        limit: Annotated[int, Field(ge=1, le=20)] = 3,
    ) -> Answer:
        """Where a training plan costs least in all: totals with range, cost lines, and a receipt for each."""
        options = QuoteOptions(
            gpu=gpu,
            providers=tuple(provider),
            regions=tuple(region),
            purchase_options=tuple(purchase_option),
            deadline_hours=deadline_hours,
            budget_usd=dollars(budget_usd, "budget_usd"),
            max_gpus=max_gpus,
            allow_stale=allow_stale,
            limit=limit,
            overrides=desk.overrides(),
        )
        with desk.reading() as served:
            return desk.quote(served, _plan(plan), options, as_of=instant(as_of, "as_of")).to_dict()

    def explain_quote(
        quote_id: Annotated[str, Field(description="16 hex digits, as quote_plan gave it.")],
    ) -> Answer:
        """Which observation every dollar of a quote is from, down to the archived bytes."""
        with desk.reading() as served:
            return desk.explained(served, quote_id)

    def data_status() -> Answer:
        """How fresh the prices are: each source's age against its target, and its last error."""
        with desk.reading() as served:
            rows, imports = desk.status(served), desk.imports(served)
        edition = served.edition
        return {
            "snapshot": edition.number,
            "published_at": edition.published_at,
            "last_observed_at": edition.last_observed_at,
            "offers": edition.offers,
            "sources": rows,
            "imports": imports,
        }

    for question in (find_offers, price_history, quote_plan, explain_quote, data_status):
        tool(question)
    return server, desk


def _plan(given: str | dict[str, Any]) -> TrainingPlan:
    if isinstance(given, dict):
        return plan_of(given)
    if "=" in given:
        return read_plan(given, syntax="toml")
    if given.lstrip().startswith("{"):
        return read_plan(given, syntax="json")
    return preset_plan(given)


def run(home: Home, *, http: tuple[str, int] | None = None) -> None:
    """Serve until the client goes (standard input) or until stopped (HTTP, at `/mcp`).

    Args:
        http: host and port, or `None` for standard input.
    """
    server, desk = create_server(home)
    if http is None:
        server.run("stdio")
        return
    import uvicorn

    from gpuledger.web.gate import Gate, GateSettings
    from gpuledger.web.metrics import Meter

    host, port = http
    app = server.streamable_http_app(host=host)
    settings = GateSettings(token=os.environ.get("GPULEDGER_TOKEN") or None, hosts=())
    gate = Gate(app, desk=desk, settings=settings, meter=Meter())
    context.say(f"serving http://{host}:{port}/mcp (stop with Ctrl-C)")
    uvicorn.run(gate, host=host, port=port, log_level="warning", access_log=False, proxy_headers=False)

"""The ledger's questions as tools of the Model Context Protocol, over standard input or HTTP; none changes a price.

Every question of the command line is a tool, and every answer is one compact text of JSON: a model pays by length, so
keys that are empty are left out, and a quote has its details only when they are asked for. A quote is saved under its
id like any other, so that `explain_quote` can tell later where its dollars are from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from gpuledger.core.cheapest import Grouping
from gpuledger.core.plan_sections import PurchaseOptionName
from gpuledger.core.store.home import Home
from gpuledger.core.store.index_days import Segment
from gpuledger.core.store.snapshot_pool import SnapshotPool
from gpuledger.ledger import Ledger
from gpuledger.mcp_decisions import decision_tools
from gpuledger.mcp_runs import WRITING, run_tools
from gpuledger.mcp_schema import (
    OFFER_KEYS,
    PLAN,
    AnyGpu,
    Details,
    GpuSpec,
    LockText,
    Past,
    Plan,
    PlanOrNone,
    Plans,
    ProviderIds,
    Regions,
    with_quote_parameters,
)
from gpuledger.mcp_text import (
    MOST_OF_QUOTE,
    ROWS,
    Answer,
    answering_text,
    at_most,
    in_rows,
    lock_text,
    quote_text,
)
from gpuledger.questions.reader import QueryLimits

INSTRUCTIONS = """Prices of GPU clouds with their history, and what a training plan costs with them. Money is
decimal text in US dollars; `price_state` says whether a price is fresh. Accelerators are named
[vendor:]NAME[:MEMORY][:COUNT], as in H100-SXM:8 or nvidia:24GB..80GB. A plan is a preset's name (list_known presets),
an object of plan keys (the schema is in quote_plan), or TOML. Say the age and source of a price when you pass it on."""

SQL_LIMITS = QueryLimits(seconds=20.0, rows=10_000, mib=64, threads=2, at_once=2)

READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

KEEPING = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def create_server(
    home: Home,
    *,
    clock: Callable[[], datetime] | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[MCPServer[Any], Ledger, SnapshotPool]:
    """The server with its tools, and the ledger and the snapshots behind it."""
    pool = SnapshotPool(home)
    ledger = Ledger(home, clock=clock, environ=environ, snapshots=pool, query_limits=SQL_LIMITS)
    server: MCPServer[Any] = MCPServer("gpuledger", instructions=INSTRUCTIONS, log_level="WARNING")
    for tools in (_price_tools(ledger), _plan_tools(ledger), decision_tools(ledger), run_tools(ledger)):
        for question in tools:
            annotations = KEEPING if question.__name__ in WRITING else READ_ONLY
            server.tool(annotations=annotations, structured_output=False)(answering_text(question))
    return server, ledger, pool


def _price_tools(ledger: Ledger) -> list[Callable[..., Answer]]:
    def find_offers(
        gpu: AnyGpu = None,
        provider: ProviderIds = [],  # noqa: B006
        region: Regions = [],  # noqa: B006
        purchase_option: PurchaseOptionName | None = None,
        max_usd_per_gpu_hour: Annotated[str | None, Field(description="As in 2.50.")] = None,
        min_gpu_memory: Annotated[float | None, Field(description="GiB of one accelerator.")] = None,
        as_of: Past = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 10,
    ) -> Answer:
        """Offers on sale, the most reliable and then the cheapest first, with age, stock and source."""
        with ledger.pinned() as same:
            rows = same.offers(
                gpu,
                providers=provider,
                regions=region,
                purchase_options=purchase_option,
                max_usd_per_gpu_hour=max_usd_per_gpu_hour,
                min_gpu_memory=min_gpu_memory,
                as_of=as_of,
                limit=limit,
            )
            number = same.edition.number
        return {"snapshot": number, "total": rows.total, **in_rows("offers", rows, OFFER_KEYS)}

    def cheapest_offers(
        gpu: GpuSpec,
        provider: ProviderIds = [],  # noqa: B006
        region: Regions = [],  # noqa: B006
        purchase_option: PurchaseOptionName = "on_demand",
        as_of: Past = None,
        allow_stale: bool = False,
        limit: Annotated[int, Field(ge=1, le=100)] = 10,
    ) -> Answer:
        """The cheapest offer of each provider per GPU-hour, ranked."""
        rows = ledger.cheapest(
            gpu,
            providers=provider,
            regions=region,
            purchase_options=purchase_option,
            as_of=as_of,
            allow_stale=allow_stale,
            limit=limit,
        )
        return in_rows("offers", rows, ("rank", *OFFER_KEYS, "note"))

    def price_spread(
        gpu: GpuSpec,
        by: Grouping = "provider",
        purchase_option: PurchaseOptionName = "on_demand",
        as_of: Past = None,
    ) -> Answer:
        """Least, median and greatest price per GPU-hour of each region, provider or other group."""
        return in_rows("spread", ledger.spread(gpu, by=by, purchase_options=purchase_option, as_of=as_of))

    def reserve_or_not(gpu: GpuSpec, provider: ProviderIds = [], as_of: Past = None) -> Answer:  # noqa: B006
        """Reserved against on-demand prices, and the share of hours from which reserving costs less."""
        return in_rows("commitments", ledger.reserve(gpu, providers=provider, as_of=as_of))

    def price_history(
        gpu: GpuSpec,
        provider: ProviderIds = [],  # noqa: B006
        region: Regions = [],  # noqa: B006
        purchase_option: PurchaseOptionName | None = None,
        since: Annotated[str | None, Field(description="First date.")] = None,
        until: Annotated[str | None, Field(description="Last date.")] = None,
        every: Annotated[str | None, Field(description="Step: 1h, 1d, 1w, 1mo.")] = "1mo",
        stat: Literal["min", "median"] = "min",
    ) -> Answer:
        """Price per GPU-hour over time, one row per step, with the cheapest provider and how many offers."""
        rows = ledger.history(
            gpu,
            providers=provider,
            regions=region,
            purchase_options=purchase_option,
            since=since,
            until=until,
            every=every,
            stat=stat,
        )
        # the newest are worth most
        return {"history": rows[-ROWS:], "rows_cut": max(len(rows) - ROWS, 0), "remarks": rows.remarks}

    def price_index(
        gpu: GpuSpec,
        purchase_option: PurchaseOptionName = "on_demand",
        segment: Segment = "all",
        since: Annotated[str | None, Field(description="First date.")] = None,
        until: Annotated[str | None, Field(description="Last date.")] = None,
        verify: Annotated[
            bool, Field(description="Compute the days anew from archived bytes, compare.")
        ] = False,
    ) -> Answer:
        """The panel index of accelerators from matched offers, one row per accelerator and day; the newest 400."""
        question = ledger.check_index if verify else ledger.index
        rows = question(gpu, purchase_option=purchase_option, segment=segment, since=since, until=until)
        return {"index": rows[-ROWS:], "rows_cut": max(len(rows) - ROWS, 0), "remarks": rows.remarks}

    def price_timing(
        gpu: GpuSpec,
        gpu_hours: Annotated[float, Field(ge=0, description="That the work takes.")],
        by: Annotated[str | None, Field(description="Date by which it must be bought.")] = None,
        purchase_option: PurchaseOptionName = "on_demand",
    ) -> Answer:
        """Today's price among past days, its trend, and what waiting did in the past. No forecast."""
        return ledger.timing(gpu, gpu_hours=gpu_hours, by=by, purchase_option=purchase_option)

    def list_known(
        what: Literal["gpus", "providers", "regions", "sources", "presets", "unmapped", "watches"],
    ) -> Answer:
        """What there is to choose from: accelerators, providers, regions, sources, presets of plans, unknown
        labels, prices that are watched."""
        rows = getattr(ledger, what)()
        if what == "presets":
            return {"presets": [row["name"] for row in rows]}
        if what == "gpus":
            rows = [row for row in rows if row["offers"]]
        return in_rows(what, rows)

    def data_status() -> Answer:
        """How fresh the prices are: each source's age against its target, and its last error."""
        with ledger.pinned() as same:
            rows, imports, edition = same.status(), same.imports(), same.edition
        return {
            "snapshot": edition.number,
            "published_at": edition.published_at,
            "last_observed_at": edition.last_observed_at,
            "offers": edition.offers,
            **in_rows("sources", rows),
            "imports": imports,
        }

    def query_sql(
        query: Annotated[str, Field(max_length=20_000, description="One read-only DuckDB query.")],
    ) -> Answer:
        """Rows of SQL on the newest snapshot; relations: offer_latest, price_history, price_daily, gpu_price_index."""
        return in_rows("rows", ledger.query(query))

    return [
        *(find_offers, cheapest_offers, price_spread, reserve_or_not, price_history, price_index),
        *(price_timing, list_known, data_status, query_sql),
    ]


def _plan_tools(ledger: Ledger) -> list[Callable[..., Answer]]:
    @with_quote_parameters
    def quote_plan(
        options: dict[str, Any],
        plan: PLAN = None,
        as_of: Past = None,
        lock: LockText = None,
        details: Details = False,
    ) -> Answer:
        """Where a training plan costs least in all: totals with range, hours, cost lines and source."""
        answer = ledger.quote(plan, as_of=as_of, lock=lock_text(lock), **at_most(3, options)).to_dict()
        return answer if details else quote_text(answer, None if "limit" in options else MOST_OF_QUOTE)

    @with_quote_parameters
    def quote_plans(plans: Plans, options: dict[str, Any], as_of: Past = None) -> Answer:
        """The cheapest quote of each of many plans, or why there is none."""
        answers = ledger.quotes(plans, as_of=as_of, **at_most(1, options))
        return {"answers": [one if "error" in one else quote_text(one) for one in answers]}

    def quote_over_time(
        plan: Plan,
        span: Annotated[str, Field(description="2024-01-01..2026-06-01; an open end is now.")],
        every: Annotated[str, Field(description="Step: 1d, 1w, 1mo.")] = "1mo",
    ) -> Answer:
        """The plan's cheapest cost at each step of a span of time."""
        return in_rows("steps", ledger.quote_over(plan, span=span, every=every))

    @with_quote_parameters
    def cost_frontier(plan: Plan, options: dict[str, Any], as_of: Past = None) -> Answer:
        """Ways to run a plan that no other beats in cost, time and risk at once."""
        points = ledger.frontier(plan, as_of=as_of, **options)
        return in_rows("points", [point.to_dict() for point in points])

    @with_quote_parameters
    def compare_plans(plans: Plans, options: dict[str, Any], as_of: Past = None) -> Answer:
        """Plans side by side: what each costs more, and takes longer, than the first."""
        return in_rows("plans", ledger.compare(plans, as_of=as_of, **options))

    @with_quote_parameters
    def lock_prices(plan: Plan, options: dict[str, Any], as_of: Past = None) -> Answer:
        """The prices of an answer, written down: quote_plan with this lock has the same answer later."""
        return {"lock": ledger.lock(plan, as_of=as_of, **at_most(3, options))}

    @with_quote_parameters
    def cost_drivers(options: dict[str, Any], plan: PlanOrNone = None, as_of: Past = None) -> Answer:
        """What drives a plan's cost: shares of variance, ten ways to spend less by dollars, and the chances to keep
        budget and deadline."""
        return ledger.drivers(plan, as_of=as_of, **options)

    @with_quote_parameters
    def check_plan(
        options: dict[str, Any], plan: PlanOrNone = None, as_of: Past = None, lock: LockText = None
    ) -> Answer:
        """Does a plan keep budget and deadline, can it be true, and what changed since a lock was written."""
        return ledger.check(plan, as_of=as_of, lock=lock_text(lock), **options)

    @with_quote_parameters
    def quote_report(options: dict[str, Any], plan: PlanOrNone = None, as_of: Past = None) -> Answer:
        """A quote as Markdown to paste into a grant or a pull request."""
        return {"report": ledger.report(plan, as_of=as_of, **options)}

    def explain_quote(
        quote_id: Annotated[str, Field(description="16 hex digits, as quote_plan gave it.")],
    ) -> Answer:
        """Which observation every dollar of a quote is from, down to the archived bytes."""
        return ledger.explain(quote_id)

    def estimate_plan(
        plan: Plan,
        gpu: AnyGpu = None,
        gpus: Annotated[int | None, Field(ge=1, description="How many.")] = None,
        limits: Annotated[bool, Field(description="Also the largest batch and sequence that fit.")] = False,
        no_evidence: Annotated[bool, Field(description="Leave out the nearest published runs.")] = False,
        limit: Annotated[int, Field(ge=1, le=100)] = 3,
    ) -> Answer:
        """Hours, memory and fit, without prices; one row per accelerator, fewest GPU-hours first."""
        rows = ledger.estimate(plan, gpu=gpu, gpus=gpus, limits=limits, no_evidence=no_evidence)
        return {"total": len(rows), "estimates": rows[:limit]}

    return [
        *(quote_plan, quote_plans, quote_over_time, cost_frontier, compare_plans, lock_prices),
        *(cost_drivers, check_plan, quote_report, explain_quote, estimate_plan),
    ]


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where a server listens by HTTP, and how it is reached."""

    host: str
    port: int
    hosts: tuple[str, ...] | None = ()
    """Names beside loopback's that it answers to; None: any."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks whose word about their clients is believed."""
    prefix: str = ""
    """Path below which clients find it, where no such proxy names it."""


def run(home: Home, *, http: Listening | None = None) -> None:
    """Serve until the client goes (standard input) or until stopped (HTTP, at `/mcp`).

    Args:
        http: where, or `None` for standard input.
    """
    server, ledger, pool = create_server(home)
    if http is None:
        server.run("stdio")
        return
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from gpuledger.web.gate import Gate, GateSettings
    from gpuledger.web.metrics import RequestMeter
    from gpuledger.web.prefix import behind

    # by which names it is reached the gate looks, and from which pages
    unlooked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(host=http.host, transport_security=unlooked)
    settings = GateSettings(token=os.environ.get("GPULEDGER_TOKEN") or None, hosts=http.hosts)
    gate = Gate(app, pool=pool, clock=ledger.clock, settings=settings, meter=RequestMeter())
    uvicorn.run(
        behind(gate, proxies=http.proxies, prefix=http.prefix),
        host=http.host,
        port=http.port,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
    )

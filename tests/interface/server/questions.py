"""Every question as each door takes it, and which keys of its answer are compared."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpuledger import Ledger
from tests.interface.server.support_bot import PLAN

DAY = "2026-10-20"
PAID = {"gpu_time": "30", "people_usd": "250"}
OFFER = ("provider", "price_id", "usd_per_gpu_hour", "usd_per_hour", "price_state", "price_age_hours")
QUOTE = (
    *("quote_id", "rank", "provider", "region", "purchase_option", "usd_total", "lines", "wall_hours"),
    *("gpu_hours", "gpus", "nodes", "usd_per_gpu_hour", "price_age_hours", "price_state"),
)


@dataclass
class Asked:
    """A question as each door takes it. `rows` are found under the keys named, where an answer is no list."""

    python: Callable[[Ledger], Any]
    cli: str
    """Words; PLAN, PLANS, PAID and LOCK stand for files."""
    rest: tuple[str, str, dict[str, Any], Any]
    """Method, path, parameters, and body: none, a plan or an object."""
    mcp: tuple[str, dict[str, Any]]
    keys: tuple[str, ...]
    """Of a row, which are compared."""
    rest_rows: str | None = None
    mcp_rows: str | None = None
    least: int = 1
    """Rows that the answer has at least, so that nothing is not taken for the same."""
    known: dict[str, str] = field(default_factory=dict)


def get(path: str, **parameters: Any) -> tuple[str, str, dict[str, Any], Any]:
    return "GET", path, parameters, None


def post(path: str, body: Any, **parameters: Any) -> tuple[str, str, dict[str, Any], Any]:
    return "POST", path, parameters, body


def listed(name: str, keys: str, words: str = "", **more: Any) -> Asked:
    """A list that takes nothing."""
    return Asked(
        lambda ledger: getattr(ledger, name)(),
        words or name,
        get(f"/v1/{name}"),
        ("list_known", {"what": name}),
        tuple(keys.split()),
        rest_rows=name,
        mcp_rows=name,
        **more,
    )


QUOTED = {"as_of": DAY, "allow_stale": True, "limit": 3}
QUOTED_CLI = f"--as-of {DAY} --allow-stale -n 3"
QUOTED_REST = {"as_of": DAY, "allow_stale": "true", "limit": 3}
OTHER = {"preset": "llama-2-7b-lora"}
LIMITED = {"deadline_hours": 40.0, "max_gpus": 8, "max_nodes": 1}
WORDS = {
    "model": "meta-llama/Llama-2-7b-hf",
    "method": "qlora",
    "samples": "5k",
    "tokens_per_sample": "600",
    "epochs": "3",
    "max_gpu_memory": "80GB",
    "credit": "gcp=1",
}
SERVED = {"requests_per_day": "50000", "api": "openai/gpt-4o-mini", "as_of": DAY, "limit": 2}
QUESTIONS = {
    "serve cost": Asked(
        lambda ledger: ledger.serve_cost("llama-3.1-8b", **SERVED),
        f"serve-cost llama-3.1-8b --requests-per-day 50000 --api openai/gpt-4o-mini --as-of {DAY} -n 2",
        get("/v1/serve-cost", model="llama-3.1-8b", **SERVED),
        ("serve_cost", {"model": "llama-3.1-8b", **SERVED}),
        ("model", "parameters", "load", "excluded"),
    ),
    "token prices": Asked(
        lambda ledger: ledger.token_prices("openai gpt-4o", as_of=DAY),
        f"token-prices 'openai gpt-4o' --as-of {DAY}",
        get("/v1/token-prices", words="openai gpt-4o", as_of=DAY),
        ("token_prices", {"words": "openai gpt-4o", "as_of": DAY}),
        ("api", "input_usd_per_mtok", "output_usd_per_mtok", "source"),
        "prices",
        "prices",
    ),
    "availability": Asked(
        lambda ledger: ledger.availability("H100", within_hours=12),
        "availability H100 --within-hours 12",
        get("/v1/availability", gpu="H100", within_hours=12),
        ("availability", {"gpu": "H100", "within_hours": 12}),
        ("gpu", "offers", "days_seen", "changes_seen"),
    ),
    "offers": Asked(
        lambda ledger: ledger.offers("H100-SXM:8", as_of=DAY, limit=5),
        f"offers --gpu H100-SXM:8 --as-of {DAY} -n 5",
        get("/v1/offers", gpu="H100-SXM:8", as_of=DAY, limit=5),
        ("find_offers", {"gpu": "H100-SXM:8", "as_of": DAY, "limit": 5}),
        OFFER,
        "offers",
        "offers",
    ),
    "offers within bounds": Asked(
        lambda ledger: ledger.offers(
            "nvidia", regions=["region-7"], max_usd_per_gpu_hour="1.50", min_gpu_memory=24, limit=5
        ),
        "offers --gpu nvidia --region region-7 --max-price 1.50 --min-gpu-memory 24 -n 5",
        get(
            *["/v1/offers"],
            gpu="nvidia",
            region="region-7",
            max_usd_per_gpu_hour="1.50",
            min_gpu_memory=24,
            limit=5,
        ),
        (
            "find_offers",
            {
                "gpu": "nvidia",
                "region": ["region-7"],
                "max_usd_per_gpu_hour": "1.50",
                "min_gpu_memory": 24,
                "limit": 5,
            },
        ),
        OFFER,
        "offers",
        "offers",
    ),
    "cheapest": Asked(
        lambda ledger: ledger.cheapest("A100", as_of=DAY, limit=4),
        f"cheapest A100 --as-of {DAY} -n 4",
        get("/v1/offers/cheapest", gpu="A100", as_of=DAY, limit=4),
        ("cheapest_offers", {"gpu": "A100", "as_of": DAY, "limit": 4}),
        ("rank", *OFFER),
        "offers",
        "offers",
        least=2,
    ),
    "spread": Asked(
        lambda ledger: ledger.spread("A100", by="region", as_of=DAY),
        f"cheapest A100 --spread region --as-of {DAY}",
        get("/v1/offers/spread", gpu="A100", by="region", as_of=DAY),
        ("price_spread", {"gpu": "A100", "by": "region", "as_of": DAY}),
        ("group", "offers", "min_usd_per_gpu_hour", "median_usd_per_gpu_hour", "max_usd_per_gpu_hour"),
        "spread",
        "spread",
        least=3,
    ),
    "reserve": Asked(
        lambda ledger: ledger.reserve("nvidia", as_of=DAY),
        f"reserve nvidia --as-of {DAY}",
        get("/v1/offers/reserve", gpu="nvidia", as_of=DAY),
        ("reserve_or_not", {"gpu": "nvidia", "as_of": DAY}),
        ("provider", "gpu_id", "region", "break_even_utilisation", "share_off"),
        "reserve",
        "commitments",
        least=0,
    ),
    "history": Asked(
        lambda ledger: ledger.history("H100-SXM", since="2026-10-01", until="2026-10-05", every="1d"),
        "history H100-SXM --from 2026-10-01 --to 2026-10-05 --every 1d",
        get("/v1/history", gpu="H100-SXM", every="1d", **{"from": "2026-10-01", "to": "2026-10-05"}),
        ("price_history", {"gpu": "H100-SXM", "since": "2026-10-01", "until": "2026-10-05", "every": "1d"}),
        ("step_at", "usd_per_gpu_hour", "cheapest_provider", "offers"),
        "history",
        "history",
        least=5,
    ),
    "history of intervals": Asked(
        lambda ledger: ledger.history("H100-SXM", since="2026-10-30"),
        "history H100-SXM --from 2026-10-30",
        get("/v1/history", gpu="H100-SXM", **{"from": "2026-10-30"}),
        ("price_history", {"gpu": "H100-SXM", "since": "2026-10-30", "every": None}),
        ("provider", "valid_from", "usd_per_gpu_hour"),
        "history",
        "history",
    ),
    "index": Asked(
        lambda ledger: ledger.index("H100-SXM", since="2026-10-01", until="2026-10-05"),
        "index H100-SXM --from 2026-10-01 --to 2026-10-05",
        get("/v1/index", gpu="H100-SXM", **{"from": "2026-10-01", "to": "2026-10-05"}),
        ("price_index", {"gpu": "H100-SXM", "since": "2026-10-01", "until": "2026-10-05"}),
        ("price_date", "gpu_id", "price_index", "usd_per_gpu_hour", "state"),
        "index",
        "index",
        least=4,
    ),
    "timing": Asked(
        lambda ledger: ledger.timing("H100-SXM", gpu_hours=500),
        "timing --gpu H100-SXM --gpu-hours 500",
        get("/v1/timing", gpu="H100-SXM", gpu_hours=500),
        ("price_timing", {"gpu": "H100-SXM", "gpu_hours": 500}),
        ("price_date", "usd_per_gpu_hour", "usd_total", "ranks", "trend", "waits"),
    ),
    "gpus": Asked(
        lambda ledger: [row for row in ledger.gpus() if row["offers"]],
        "gpus",
        get("/v1/gpus"),
        ("list_known", {"what": "gpus"}),
        ("gpu_id", "offers", "usd_per_gpu_hour_on_demand"),
        "gpus",
        "gpus",
        known={"offers": "0"},
    ),
    "providers": listed("providers", "provider offers gpus"),
    "regions": listed("regions", "provider region offers"),
    "sources": listed("sources", "source every_hours"),
    "watches": listed("watches", "watch_id gpu below purchase_option is_below", "watch"),
    "unmapped": listed("unmapped", "gpu_label provider", least=0),
    "status": Asked(
        lambda ledger: ledger.status(),
        "status",
        get("/v1/status"),
        ("data_status", {}),
        ("source", "state", "age_hours", "offers"),
        "sources",
        "sources",
    ),
    "sql": Asked(
        lambda ledger: ledger.query("select count(*) as offers, min(usd_per_hour) as usd from offer_latest"),
        "sql 'select count(*) as offers, min(usd_per_hour) as usd from offer_latest'",
        get("/v1/sql", q="select count(*) as offers, min(usd_per_hour) as usd from offer_latest"),
        ("query_sql", {"query": "select count(*) as offers, min(usd_per_hour) as usd from offer_latest"}),
        ("offers", "usd"),
        "rows",
        "rows",
    ),
    "estimate": Asked(
        lambda ledger: ledger.estimate(PLAN, gpu="A100", limits=True),
        "estimate PLAN --gpu A100 --limits",
        post("/v1/estimates", PLAN, gpu="A100", limits="true"),
        ("estimate_plan", {"plan": PLAN, "gpu": "A100", "limits": True, "limit": 50}),
        ("gpu_id", "gpus", "wall_hours", "gpu_hours", "memory_gib", "mfu", "largest_micro_batch"),
        "estimates",
        "estimates",
    ),
    "quote": Asked(
        lambda ledger: ledger.quote(PLAN, **QUOTED, **LIMITED).to_dict(),
        f"quote PLAN {QUOTED_CLI} --deadline 40 --max-gpus 8 --max-nodes 1",
        post("/v1/quotes", PLAN, **QUOTED_REST, **LIMITED),
        ("quote_plan", {"plan": PLAN, **QUOTED, **LIMITED, "details": True}),
        ("quotes", "deadline", "budget", "overruled", "excluded"),
    ),
    "quotes of many plans": Asked(
        lambda ledger: [one["quotes"][0] for one in ledger.quotes([PLAN, OTHER], as_of=DAY)],
        f"quote PLANS --as-of {DAY}",
        post("/v1/quotes/batch", {"plans": [PLAN, OTHER]}, as_of=DAY),
        ("quote_plans", {"plans": [PLAN, OTHER], "as_of": DAY}),
        ("quote_id", "provider", "region", "usd_per_gpu_hour"),
        "answers",
        "answers",
        least=2,
    ),
    "quote over time": Asked(
        lambda ledger: ledger.quote_over(PLAN, span="2026-10-01..2026-10-15", every="1w"),
        "quote PLAN --over 2026-10-01..2026-10-15 --every 1w",
        post("/v1/quotes/over", PLAN, span="2026-10-01..2026-10-15", every="1w"),
        ("quote_over_time", {"plan": PLAN, "span": "2026-10-01..2026-10-15", "every": "1w"}),
        ("as_of", "usd_total", "provider", "wall_hours", "price_state"),
        "steps",
        "steps",
        least=3,
    ),
    "frontier": Asked(
        lambda ledger: [point.to_dict() for point in ledger.frontier(PLAN, as_of=DAY, max_gpus=4)],
        f"quote PLAN --frontier --as-of {DAY} --max-gpus 4",
        post("/v1/frontier", PLAN, as_of=DAY, max_gpus=4),
        ("cost_frontier", {"plan": PLAN, "as_of": DAY, "max_gpus": 4}),
        ("usd_total", "wall_hours", "expected_interruptions", "provider", "price_id"),
        "points",
        "points",
        least=2,
    ),
    "compare": Asked(
        lambda ledger: ledger.compare([PLAN, OTHER], as_of=DAY),
        f"compare PLAN llama-2-7b-lora --as-of {DAY}",
        post("/v1/compare", {"plans": [PLAN, OTHER]}, as_of=DAY),
        ("compare_plans", {"plans": [PLAN, OTHER], "as_of": DAY}),
        ("plan", "usd_total", "usd_more", "wall_hours_more", "mostly", "quote_id"),
        "plans",
        "plans",
        least=2,
    ),
    "quote without a file": Asked(
        lambda ledger: ledger.quote(**WORDS, **QUOTED).to_dict(),
        "quote --model meta-llama/Llama-2-7b-hf --method qlora --samples 5k --tokens-per-sample 600 --epochs 3 "
        f"--max-gpu-memory 80GB --credit gcp=1 {QUOTED_CLI}",
        post("/v1/quotes", None, **WORDS, **QUOTED_REST),
        ("quote_plan", {**WORDS, "credit": ["gcp=1"], **QUOTED, "details": True}),
        ("quotes", "assumptions"),
    ),
    "drivers": Asked(
        lambda ledger: ledger.drivers(PLAN, as_of=DAY, budget_usd="30", allow_stale=True),
        f"drivers PLAN --as-of {DAY} --budget 30 --allow-stale",
        post("/v1/drivers", PLAN, as_of=DAY, budget_usd="30", allow_stale="true"),
        ("cost_drivers", {"plan": PLAN, "as_of": DAY, "budget_usd": "30", "allow_stale": True}),
        ("usd_total", "inputs", "levers", "outcomes"),
    ),
    "check": Asked(
        lambda ledger: ledger.check(PLAN, as_of=DAY, budget_usd="5000", allow_stale=True),
        f"check PLAN --as-of {DAY} --budget 5000 --allow-stale",
        post("/v1/checks", {"plan": PLAN}, as_of=DAY, budget_usd="5000", allow_stale="true"),
        ("check_plan", {"plan": PLAN, "as_of": DAY, "budget_usd": "5000", "allow_stale": True}),
        ("passes", "usd_total", "findings"),
    ),
    "check of what no offer can run": Asked(
        lambda ledger: ledger.check(PLAN, as_of=DAY, providers=["ovh"]),
        f"check PLAN --as-of {DAY} --provider ovh",
        post("/v1/checks", {"plan": PLAN}, as_of=DAY, provider="ovh"),
        ("check_plan", {"plan": PLAN, "as_of": DAY, "provider": ["ovh"]}),
        ("passes", "usd_total", "findings"),
    ),
    "size": Asked(
        lambda ledger: ledger.size("300", inference_tokens="1T", as_of=DAY),
        f"size --budget 300 --inference-tokens 1T --as-of {DAY}",
        get("/v1/decisions/size", budget_usd="300", inference_tokens=1e12, as_of=DAY),
        ("size_for_budget", {"budget_usd": "300", "inference_tokens": "1T", "as_of": DAY}),
        ("parameters", "training_tokens", "training_usd", "inference_usd", "quote"),
    ),
    "own or rent": Asked(
        lambda ledger: ledger.own_or_rent(
            gpus=8, capex_usd=250_000, gpu="H100-SXM", utilisation=0.7, watts_per_gpu=900, as_of=DAY
        ),
        "own-or-rent --gpus 8 --capex-usd 250000 --gpu H100-SXM --utilisation 0.7 --watts-per-gpu 900 "
        f"--as-of {DAY}",
        get(
            "/v1/decisions/own-or-rent",
            gpus=8,
            capex_usd="250000",
            gpu="H100-SXM",
            utilisation=0.7,
            watts_per_gpu="900",
            as_of=DAY,
        ),
        (
            "own_or_rent",
            {
                "gpus": 8,
                "capex_usd": "250000",
                "gpu": "H100-SXM",
                "utilisation": 0.7,
                "watts_per_gpu": "900",
                "as_of": DAY,
            },
        ),
        ("rent_usd_per_month", "running_usd_per_month", "break_even_months", "decision", "rent_basis"),
    ),
    "build or buy": Asked(
        lambda ledger: ledger.build_or_buy(
            PLAN, api_usd_per_1k="0.002", calls_per_month=1_000_000, as_of=DAY
        ),
        f"build-or-buy PLAN --api-usd-per-1k 0.002 --calls-per-month 1000000 --as-of {DAY}",
        post(
            "/v1/decisions/build-or-buy", PLAN, api_usd_per_1k="0.002", calls_per_month="1000000", as_of=DAY
        ),
        (
            "build_or_buy",
            {"plan": PLAN, "api_usd_per_1k": "0.002", "calls_per_month": "1000000", "as_of": DAY},
        ),
        ("build_usd_total", "buy_usd_total", "decision", "break_even_calls_per_month", "quote_id"),
    ),
    "budget": Asked(
        lambda ledger: ledger.budget_difference(PLAN, PAID, as_of=DAY),
        f"budget diff PLAN PAID --as-of {DAY}",
        post("/v1/decisions/budget", {"plan": PLAN, "paid": PAID}, as_of=DAY),
        ("budget_difference", {"plan": PLAN, "paid": PAID, "as_of": DAY}),
        ("name", "planned_usd", "actual_usd", "over_usd", "state"),
        "lines",
        "lines",
        least=3,
    ),
    "claims": Asked(
        lambda ledger: ledger.claims(),
        "claims check",
        get("/v1/decisions/claims"),
        ("check_claims", {}),
        ("claim", "verdict", "finding"),
        "claims",
        "claims",
        least=5,
    ),
    "lint": Asked(
        lambda ledger: ledger.lint(OTHER),
        "lint llama-2-7b-lora",
        post("/v1/decisions/lint", OTHER),
        ("lint_plan", {"plan": "llama-2-7b-lora"}),
        ("check", "severity", "message"),
        "findings",
        "findings",
    ),
}

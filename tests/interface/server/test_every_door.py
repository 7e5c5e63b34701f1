"""Every question at every door: Python, command line, REST and MCP give the same numbers, in one process over one
ledger."""

import asyncio
import html
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from starlette.testclient import TestClient
from typer.testing import CliRunner

from gpuledger import Ledger, formats, gpuhunt
from gpuledger.cli import context
from gpuledger.cli.main import app as command_line
from gpuledger.core.store.home import Home
from gpuledger.mcp import create_server
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.interface.server.large_ledger import NOW
from tests.interface.server.support_bot import PLAN, TOML

OVERRIDES = """
[[discount]]
provider = "aws"
percent = 60

[[credit]]
provider = "gcp"
usd = 40

[[owned]]
name = "cellar"
gpu = "l40s-48gb"
gpus = 8
capex_usd = 64000
life_months = 36
"""
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


@dataclass
class House:
    """One ledger and its doors."""

    home: Path
    folder: Path
    environ: dict[str, str]
    rest: TestClient
    server: Any
    monkeypatch: pytest.MonkeyPatch

    @property
    def python(self) -> Ledger:
        return Ledger(self.home, clock=lambda: NOW, environ=self.environ)

    def by_rest(self, asked: Asked) -> Any:
        method, path, parameters, body = asked.rest
        answer = self.rest.request(method, path, params=parameters, json=body)
        assert answer.status_code in (200, 201), answer.text
        return rows_of(answer.json(), asked.rest_rows)

    def by_mcp(self, tool: str, given: dict[str, Any]) -> Any:
        async def ask() -> Any:
            async with Client(self.server) as client:
                return await client.call_tool(tool, given)

        answer = asyncio.run(ask())
        assert not answer.is_error, answer.content[0].text
        return json.loads(answer.content[0].text)

    def by_command(self, line: str, *, codes: tuple[int, ...] = (0,)) -> Any:
        import shlex

        files = {"PLAN": "plan.toml", "PLANS": "plans.jsonl", "PAID": "paid.csv", "LOCK": "prices.lock"}
        words = [str(self.folder / files[word]) if word in files else word for word in shlex.split(line)]
        self.monkeypatch.setattr(context, "now", lambda: NOW)
        ran = CliRunner().invoke(
            command_line, ["--home", str(self.home), *words, "-f", "json"], env=self.environ
        )
        assert ran.exit_code in codes, ran.output
        return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def own_terms(tmp_path_factory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("terms") / "overrides.toml"
    path.write_text(OVERRIDES)
    return {"GPULEDGER_OVERRIDES": str(path)}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "plan.toml").write_text(TOML)
    (folder / "plans.jsonl").write_text(
        json.dumps(PLAN) + "\n" + json.dumps({"model": "llama-2-7b", **lora_keys()}) + "\n"
    )
    (folder / "paid.csv").write_text("name,usd\n" + "".join(f"{name},{usd}\n" for name, usd in PAID.items()))
    return folder


def doors(home: Home, environ: dict[str, str]) -> tuple[TestClient, Any]:
    settings = GateSettings(requests_per_second=0)
    app = create_app(home, settings=settings, clock=lambda: NOW, environ=environ)
    server, _, _ = create_server(home, clock=lambda: NOW, environ=environ)
    return TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)), server


@pytest.fixture(scope="module")
def list_doors(market_home) -> tuple[TestClient, Any]:
    return doors(market_home, {})


@pytest.fixture(scope="module")
def own_doors(market_home, own_terms) -> tuple[TestClient, Any]:
    return doors(market_home, own_terms)


def lora_keys() -> dict[str, Any]:
    from gpuledger.core.plan import preset_plan

    plan = preset_plan("llama-2-7b-lora")
    return plan.model_dump(mode="json", exclude_defaults=True) | {"name": plan.name}


@pytest.fixture
def house(market_home, files, list_doors, monkeypatch) -> House:
    return House(market_home.path, files, {}, *list_doors, monkeypatch)


@pytest.fixture
def own_house(market_home, files, own_terms, own_doors, monkeypatch) -> House:
    """The same ledger with a discount, a credit and owned machines."""
    return House(market_home.path, files, own_terms, *own_doors, monkeypatch)


def rows_of(content: Any, name: str | None) -> Any:
    return content if name is None else content[name]


def normal(value: Any) -> Any:
    """A value without what doors may differ in: sizes as numbers or text, and keys that hold nothing."""
    if isinstance(value, dict):
        return {key: normal(one) for key, one in value.items() if one not in (None, [], {}, "")}
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value[:400]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def essence(answer: Any, asked: Asked) -> list[dict[str, Any]]:
    """What is compared of an answer: some keys of each row."""
    plain = json.loads(formats.json_text(answer))
    rows = plain if isinstance(plain, list) else [plain]
    if asked.known:
        rows = [row for row in rows if any(str(row.get(key)) != value for key, value in asked.known.items())]
    for place, row in enumerate(rows):
        # a door that quotes many plans nests the quotes, one that estimates one plan does not
        if "quotes" in row and "quotes" not in asked.keys:
            rows[place] = row["quotes"][0]
        elif "quotes" in row:
            rows[place] = row | {"quotes": [{key: quote[key] for key in QUOTE} for quote in row["quotes"]]}
    return [
        {key: normal(row.get(key)) for key in asked.keys if row.get(key) not in (None, [])} for row in rows
    ]


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_door_gives_the_same_numbers(house, name):
    same_at_every_door(house, name)


@pytest.mark.parametrize("name", ["quote", "frontier", "compare", "quotes of many plans"])
def test_every_door_knows_the_own_terms(own_house, name):
    same_at_every_door(own_house, name)


def same_at_every_door(house: House, name: str) -> None:
    asked = QUESTIONS[name]
    expected = essence(asked.python(house.python), asked)
    assert len(expected) >= asked.least
    codes = (0, 1) if name in ("budget", "unmapped", "reserve", "availability") else (0,)
    assert essence(house.by_command(asked.cli, codes=codes), asked) == expected
    assert essence(house.by_rest(asked), asked) == expected
    tool, given = asked.mcp
    told = house.by_mcp(tool, given)
    if told.get("rows_cut"):
        expected = expected[: -int(told["rows_cut"])]
    assert essence(rows_of(told, asked.mcp_rows) if expected else [], asked) == expected


def test_presets_are_the_same_everywhere(house):
    names = [row["name"] for row in house.python.presets()]
    assert [row["name"] for row in house.by_command("presets")] == names
    assert [row["name"] for row in house.rest.get("/v1/presets").json()["presets"]] == names
    assert house.by_mcp("list_known", {"what": "presets"})["presets"] == names


def test_a_lock_is_the_same_text_and_gives_the_same_answer_everywhere(house):
    text = house.python.lock(PLAN, as_of=DAY, limit=3)
    assert house.rest.post("/v1/locks", params={"as_of": DAY, "limit": 3}, json=PLAN).json()["lock"] == text
    assert house.by_mcp("lock_prices", {"plan": PLAN, "as_of": DAY})["lock"] == text
    (house.folder / "prices.lock").unlink(missing_ok=True)
    by_command = house.by_command(f"quote PLAN --as-of {DAY} -n 3 --lock LOCK")
    assert (house.folder / "prices.lock").read_text() == text
    expected = json.loads(formats.json_text(house.python.quote(PLAN, lock=text, limit=3).to_dict()))
    assert by_command == expected
    body = {"plan": PLAN, "lock": text}
    assert house.rest.post("/v1/quotes/locked", params={"limit": 3}, json=body).json() == expected
    by_mcp = house.by_mcp("quote_plan", {"plan": PLAN, "lock": text, "details": True})
    assert normal(by_mcp["quotes"]) == normal(expected["quotes"])


def test_a_receipt_is_the_same_everywhere(house):
    quote_id = house.python.quote(PLAN, as_of=DAY, limit=1).quotes[0].quote_id
    expected = json.loads(formats.json_text(house.python.explain(quote_id)))
    assert expected["chain"]
    assert house.by_command(f"explain {quote_id}") == expected
    assert house.rest.get(f"/v1/quotes/{quote_id}/receipt").json() == expected
    assert normal(house.by_mcp("explain_quote", {"quote_id": quote_id})["chain"]) == normal(expected["chain"])


def test_the_page_shows_the_numbers(house):
    expected = house.python.quote(PLAN, as_of=DAY, allow_stale=True, limit=5).to_dict()
    fields = {"plan": TOML, "as_of": DAY, "allow_stale": "true", "each": "all"}
    page = house.rest.get("/quote", params=fields).text
    for row in expected["quotes"]:
        assert f"id={row['quote_id']}" in page
        assert f"{Decimal(row['usd_total']['mid']):,.2f}" in page


def test_own_terms_change_the_answer(house, own_house):
    """Else the runs with them would prove nothing."""
    own = own_house.python.quote(PLAN, as_of=DAY).mid
    assert own != house.python.quote(PLAN, as_of=DAY).mid
    page = html.unescape(own_house.rest.get("/quote", params={"plan": TOML, "as_of": DAY}).text)
    assert f"{Decimal(own):,.2f}" in page
    terms = own_house.python.quote(PLAN, as_of=DAY).quotes[0].receipt.overrides
    assert terms and all(f"Own terms: {line}" in page for line in terms)


WRONG = {
    "a time that no calendar has": ("as_of", "9999-12-31T23:59:59-12:00", "no date or time"),
    "a time before all prices": ("as_of", "1066-10-14", "outside the years"),
    "a time in the future": ("as_of", "2030-01-01", "in the future"),
    "no time": ("as_of", "yesterday", "no date or time"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_time_is_one_usage_line_at_every_door(house, case):
    from gpuledger import UsageError

    _, text, words = WRONG[case]
    with pytest.raises(UsageError, match=words) as refused:
        house.python.offers("H100", as_of=text)
    assert "\n" not in str(refused.value)
    house.monkeypatch.setattr(context, "now", lambda: NOW)
    line = ["--home", str(house.home), "offers", "--gpu", "H100", "--as-of", text]
    ran = CliRunner().invoke(command_line, line)
    assert ran.exit_code == 2
    assert words in ran.stderr and ran.stderr.count("\n") == 1
    answer = house.rest.get("/v1/offers", params={"gpu": "H100", "as_of": text})
    assert answer.status_code == 422 and words in answer.json()["detail"]
    page = house.rest.get("/", params={"as_of": text})
    assert page.status_code == 422

    async def ask() -> Any:
        async with Client(house.server) as client:
            return await client.call_tool("find_offers", {"gpu": "H100", "as_of": text})

    told = asyncio.run(ask())
    assert told.is_error and words in told.content[0].text


@pytest.mark.parametrize(
    "keywords",
    [
        {"spot": False},
        {"spot": True, "provider": "aws"},
        {"min_disk_size": 1},
        {"min_disk_size": 3000, "max_cpu": 128},
        {"min_compute_capability": 8.0, "max_compute_capability": 8.6},
        {"cpu_arch": "arm"},
        {"gpu_vendor": "nvidia", "min_total_gpu_memory": 300},
        {"gpu_name": "4090"},
        {"gpu_name": "RTX4090"},
        {"gpu_name": "H100"},
    ],
    ids=str,
)
def test_a_keyword_of_gpuhunt_chooses_what_the_parameter_of_rest_does(house, keywords):
    given = dict(keywords)
    for name in ("min_compute_capability", "max_compute_capability"):
        if name in given:
            major, _, minor = str(given[name]).partition(".")
            given[name] = (int(major), int(minor))
    rows = gpuhunt.offers(**given, as_of=DAY, ledger=house.python)
    parameters = {name: str(value).lower() for name, value in keywords.items()}
    answer = house.rest.get("/v1/offers", params={**parameters, "as_of": DAY, "limit": 1000}).json()
    by_rest = {row["offer_id"] for row in answer["offers"]}
    assert {row.offer.offer_id for row in rows} >= by_rest
    assert len(rows) == answer["total"]


LIMITS = {
    "budget_usd": ({"budget_usd": 1}, 500, "budget", "limit_usd", "1"),
    "deadline_hours": ({"deadline_hours": 1}, 100.0, "deadline", "limit_hours", "1"),
}


@pytest.mark.parametrize("option", LIMITS)
def test_the_stricter_of_plan_and_option_holds_at_every_door_and_is_said(house, option):
    constraints, looser, verdict, key, limit = LIMITS[option]
    plan = PLAN | {"constraints": constraints}
    (house.folder / "plan.toml").write_text(
        TOML + "\n[constraints]\n" + "".join(f"{name} = {value}\n" for name, value in constraints.items())
    )
    flag = {"budget_usd": "--budget", "deadline_hours": "--deadline"}[option]
    try:
        answers = [
            house.python.quote(plan, as_of=DAY, **{option: looser}).to_dict(),
            house.by_command(f"quote PLAN --as-of {DAY} {flag} {looser}", codes=(0, 1)),
            house.rest.post("/v1/quotes", params={"as_of": DAY, option: looser}, json=plan).json(),
            house.by_mcp(
                "quote_plan",
                {
                    "plan": plan,
                    "as_of": DAY,
                    option: str(looser) if option == "budget_usd" else looser,
                    "details": True,
                },
            ),
        ]
    finally:
        (house.folder / "plan.toml").write_text(TOML)
    for answer in answers:
        assert Decimal(answer[verdict][key]) == Decimal(limit)
        (sentence,) = answer["overruled"]
        assert sentence.startswith(f"{option}: the option says")


def test_zero_is_a_value_at_every_door(house):
    answers = [
        house.python.quote(PLAN, as_of=DAY, budget_usd=0).to_dict(),
        house.by_command(f"quote PLAN --as-of {DAY} --budget 0", codes=(0, 1)),
        house.rest.post("/v1/quotes", params={"as_of": DAY, "budget_usd": "0"}, json=PLAN).json(),
        house.by_mcp("quote_plan", {"plan": PLAN, "as_of": DAY, "budget_usd": "0", "details": True}),
    ]
    for answer in answers:
        assert (answer["budget"]["limit_usd"], answer["budget"]["passes"]) == ("0", False)

"""One plan at every door: Python, REST, page, MCP and command line give the same numbers."""

import asyncio
import html
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from mcp import Client

from gpuledger import library
from gpuledger.mcp import create_server
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.interface.server.conftest import serving
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
# a past time, so that no door's clock matters; the names are those of REST
WHEN = {"as_of": "2026-10-20", "allow_stale": True, "limit": 5}
QUESTIONS = {
    "the plan alone": {},
    "a deadline": {"deadline_hours": 3},
    "spot": {"purchase_option": ["spot"]},
    "a region": {"region": ["region-7"]},
    "all of them": {"deadline_hours": 40, "purchase_option": ["spot"], "region": ["region-7", "region-8"]},
}


def essence(content):
    """Every number of a ranking; what depends on the minute of asking is left out."""
    names = ("quote_id", "rank", "provider", "region", "purchase_option", "usd_total", "lines", "wall_hours")
    more = ("gpu_hours", "gpus", "nodes", "usd_per_gpu_hour", "price_age_hours", "price_state")
    return [{name: row[name] for name in (*names, *more)} for row in content["quotes"]] + [
        content["deadline"],
        content["excluded"],
    ]


@pytest.fixture(scope="module", params=["list prices", "own terms"])
def terms(request, tmp_path_factory) -> Path | None:
    """A file of own terms, or none."""
    if request.param == "list prices":
        return None
    path = tmp_path_factory.mktemp("terms") / "overrides.toml"
    path.write_text(OVERRIDES)
    return path


@pytest.fixture(scope="module")
def environ(terms):
    return {} if terms is None else {"GPULEDGER_OVERRIDES": str(terms)}


@pytest.fixture(scope="module")
def client(market_home, environ):
    settings = GateSettings(requests_per_second=0)
    app = create_app(market_home, settings=settings, clock=lambda: NOW, environ=environ)
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as found:
        yield found


def by_python(home, terms, asked):
    names = {"region": "regions", "purchase_option": "purchase_options"}
    options = {
        names.get(name, name): tuple(value) if isinstance(value, list) else value
        for name, value in (WHEN | asked).items()
    }
    own = None if terms is None else terms.read_text()
    return library.estimate(PLAN, home=home.path, overrides=own, **options).to_dict()


def by_mcp(home, environ, asked):
    async def ask():
        server, _ = create_server(home, clock=lambda: NOW, environ=environ)
        async with Client(server) as client:
            return (await client.call_tool("quote_plan", {"plan": PLAN, **WHEN, **asked})).structured_content

    return asyncio.run(ask())


def by_command(home, environ, asked, folder):
    (folder / "plan.toml").write_text(TOML)
    words = [
        "quote",
        str(folder / "plan.toml"),
        "--as-of",
        WHEN["as_of"],
        "--allow-stale",
        "-n",
        "5",
        "-f",
        "json",
    ]
    words += [word for place in asked.get("region", ()) for word in ("--region", place)]
    words += ["--spot"] if asked.get("purchase_option") == ["spot"] else []
    words += ["--deadline", str(asked["deadline_hours"])] if "deadline_hours" in asked else []
    around = {"PATH": os.environ["PATH"], "HOME": str(folder), "GPULEDGER_HOME": str(home.path), **environ}
    program = [sys.executable, "-c", "from gpuledger.cli.main import main; main()", *words]
    done = subprocess.run(program, env=around, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_door_gives_the_same_numbers(client, market_home, terms, environ, question, tmp_path):
    asked = QUESTIONS[question]
    expected = by_python(market_home, terms, asked)
    assert len(expected["quotes"]) == 5
    by_rest = client.post("/v1/quotes", params=WHEN | {"allow_stale": "true"} | asked, json=PLAN).json()
    assert essence(by_rest) == essence(expected)
    assert essence(by_mcp(market_home, environ, asked)) == essence(expected)
    assert essence(by_command(market_home, environ, asked, tmp_path)) == essence(expected)

    fields = {name: ",".join(value) if isinstance(value, list) else value for name, value in asked.items()}
    page = client.get(
        "/quote", params={"plan": TOML, "as_of": WHEN["as_of"], "allow_stale": "true", **fields}
    ).text
    for row in expected["quotes"]:
        assert f"receipt-{row['quote_id']}" in page
        assert f"{Decimal(row['usd_total']['mid']):,.2f}" in page
        for line in row["lines"]:
            if line["usd"] is not None:
                assert f"{Decimal(line['usd']):,.2f}" in page


def test_own_terms_change_the_answer(client, market_home, terms):
    """Else the runs with them would prove nothing."""
    listed = by_python(market_home, None, {})
    asked = client.post("/v1/quotes", params=WHEN | {"allow_stale": "true"}, json=PLAN).json()
    assert (essence(asked) != essence(listed)) is (terms is not None)
    if terms is not None:
        page = html.unescape(client.get("/quote", params={"plan": TOML, "as_of": WHEN["as_of"]}).text)
        assert "Own terms" in page or "cellar" in page

"""The bundled list at every door: orders of what is sold per GPU, days of the index computed anew."""

import asyncio
import itertools
import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner
from mcp import Client
from starlette.testclient import TestClient

from gpuledger import Ledger, UsageError, gpuhunt
from gpuledger.core.store.home import Home
from gpuledger.mcp import create_server
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.command_line import app as command_line
from tests.template import start_bundled

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
COMMUNITY = Decimal("2.69")
"""RunPod's community price of one H100 SXM in the bundled list."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    home = Home(start_bundled(tmp_path_factory.mktemp("bundled"), now=NOW))
    return Ledger(home, clock=lambda: NOW, environ={})


def runpod(rows) -> tuple[str, Decimal, Decimal, Decimal]:
    row = next(row for row in rows if row["provider"] == "runpod" and row["tier"] == "community")
    return row["instance_type"], *(
        Decimal(row[name]) for name in ("gpu_count", "usd_per_hour", "usd_per_gpu_hour")
    )


EIGHT = ("NVIDIA H100 80GB HBM3", Decimal(8), 8 * COMMUNITY, COMMUNITY)


@pytest.mark.parametrize(
    "rows",
    [
        lambda ledger: ledger.offers("H100-SXM:8"),
        lambda ledger: ledger.offers("H100-SXM:8", as_of="2026-11-09"),
        lambda ledger: ledger.cheapest("H100-SXM:8"),
        lambda ledger: over_http(ledger, "/v1/offers"),
        lambda ledger: over_http(ledger, "/v1/offers/cheapest"),
    ],
    ids=["offers", "offers of a past day", "cheapest", "REST offers", "REST cheapest"],
)
def test_eight_of_what_is_sold_per_gpu_are_eight_with_their_price(ledger, rows):
    assert runpod(rows(ledger)) == EIGHT


def asked_over_http(ledger: Ledger, path: str, **named: str) -> dict:
    settings = GateSettings(requests_per_second=0)
    app = create_app(ledger.home, settings=settings, clock=lambda: NOW, environ={})
    with TestClient(app, base_url="http://127.0.0.1") as client:
        return client.get(path, params=named).json()


def page_of(ledger: Ledger, address: str) -> str:
    settings = GateSettings(requests_per_second=0)
    app = create_app(ledger.home, settings=settings, clock=lambda: NOW, environ={})
    with TestClient(app, base_url="http://127.0.0.1") as client:
        return client.get(address).text


def over_http(ledger: Ledger, path: str) -> list[dict]:
    return asked_over_http(ledger, path, gpu="H100-SXM:8")["offers"]


def test_the_price_of_eight_is_what_a_quote_pays(ledger):
    answer = ledger.quote("llama-3-8b-lora", gpu="H100-SXM:8", providers=("runpod",), tiers=("community",))
    assert answer.quotes[0].purchase.usd_per_hour == 8 * COMMUNITY


def test_without_a_count_it_is_one_gpu(ledger):
    assert runpod(ledger.offers("H100-SXM"))[1:3] == (1, COMMUNITY)


def test_the_same_is_true_in_the_words_of_gpuhunt(ledger):
    rows = gpuhunt.offers(gpu_name="H100", provider="runpod", min_gpu_count=8, ledger=ledger)
    assert {(row.gpu_count, row.price / float(row.offer.usd_per_gpu_hour)) for row in rows} == {(8.0, 8.0)}


def test_a_limit_on_the_hour_is_one_on_the_order(ledger):
    at_most = [
        ledger.offers("H100-SXM:8", providers=("runpod",), max_price=usd) for usd in ("21.51", "21.52")
    ]
    assert [len(rows) for rows in at_most] == [0, 1]


def test_a_fleet_larger_than_is_sold_at_once_is_not_offered(ledger):
    assert not [row for row in ledger.offers("H100-SXM:4096") if row["provider"] == "runpod"]


def test_choosing_accelerators_before_reading_the_past_changes_no_row(ledger):
    with ledger.connect() as connection:
        rows = {
            macro: connection.execute(
                f"select * from {macro} where gpu_id = 'h100-sxm-80gb' order by all"
            ).fetchall()
            for macro in (
                "offers_as_of(timestamptz '2026-10-10')",
                "offers_of_as_of(['h100-sxm-80gb'], timestamptz '2026-10-10')",
            )
        }
    one, other = rows.values()
    assert one and one == other


def by_tool(ledger: Ledger, tool: str, **named: object) -> dict:
    server, _, _ = create_server(ledger.home, clock=lambda: NOW, environ={})

    async def ask() -> str:
        async with Client(server) as client:
            return (await client.call_tool(tool, named)).content[0].text

    return json.loads(asyncio.run(ask()))


def by_command(ledger: Ledger, *words: str) -> list[dict]:
    ran = CliRunner().invoke(command_line, ["--home", str(ledger.home.path), *words, "-f", "json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


OLDER = {
    "Python": lambda ledger: ledger.offers("RTX4090").remarks,
    "cheapest": lambda ledger: ledger.cheapest("RTX4090").remarks,
    "command": lambda ledger: (
        CliRunner()
        .invoke(command_line, ["--home", str(ledger.home.path), "offers", "RTX4090", "-f", "json"])
        .stderr.splitlines()
    ),
    "REST": lambda ledger: asked_over_http(ledger, "/v1/offers", gpu="RTX4090")["remarks"],
    "MCP": lambda ledger: by_tool(ledger, "find_offers", gpu="RTX4090")["remarks"],
    "page": lambda ledger: re.findall(
        r'<p class="note">(.*?)</p>', page_of(ledger, "/prices?gpu=RTX4090&price_state=any")
    ),
}


@pytest.mark.parametrize("remarks", OLDER.values(), ids=OLDER)
def test_offers_say_of_older_prices_what_cheapest_says(ledger, remarks):
    told = "\n".join(remarks(ledger))
    assert "no live price yet; list prices of 2026-" in told
    assert "cheaper but older: RTX 4090, community, on demand, at runpod (lapsed, seen " in told
    assert not any(line.startswith("on_demand:") for line in told.splitlines())
    assert "was 0.340000 USD per GPU-hour" in told


@pytest.mark.parametrize("regions", [None, ["us"], ["de"], ["atlantis"]], ids=str)
def test_a_spread_says_of_older_prices_and_of_places_what_cheapest_says(ledger, regions):
    cheapest, spread = (ask("H100-SXM", regions=regions) for ask in (ledger.cheapest, ledger.spread))
    own = ("lapsed price", "only lapsed", "no offer")

    def shared(rows):
        return [text for text in rows.remarks if not any(word in text for word in own)]

    assert shared(spread) == shared(cheapest) != []


@pytest.mark.parametrize("route", ["offers", "offers/cheapest", "offers/spread", "history"])
def test_what_is_left_out_is_said_over_http(ledger, route):
    told = asked_over_http(ledger, f"/v1/{route}", gpu="V100", region="us")["remarks"]
    assert any("their country is not" in text for text in told)


def test_where_only_lapsed_prices_match_what_is_left_out_does_not_hide_it(ledger):
    told = "\n".join(ledger.cheapest("V100", regions=["us"]).remarks)
    assert "their country is not" in told and "--allow-stale ranks them" in told


CHECKED = [
    lambda ledger: ledger.check_index("H100-SXM", "2026-10-07"),
    lambda ledger: by_command(ledger, "index", "H100-SXM", "--verify", "2026-10-07"),
    lambda ledger: by_command(
        ledger, "index", "H100-SXM", "--verify", "all", "--from", "2026-10-07", "--to", "2026-10-07"
    ),
    lambda ledger: asked_over_http(ledger, "/v1/index/check", gpu="H100-SXM", day="2026-10-07")["check"],
    lambda ledger: by_tool(
        ledger, "price_index", gpu="H100-SXM", since="2026-10-07", until="2026-10-07", verify=True
    )["index"],
]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(rows, id=name, marks=() if name == "command, a span" else pytest.mark.deep)
        for name, rows in zip(("Python", "command", "command, a span", "REST", "MCP"), CHECKED, strict=True)
    ],
)
def test_a_day_of_the_index_agrees_with_its_bytes(ledger, rows):
    found = [(row.get("provider"), row["state"], row.get("recomputed")) for row in rows(ledger)]
    assert {row[1] for row in found} == {"agrees"}
    assert {row[0] for row in found} > {None, "runpod", "coreweave", "oci"}
    relatives = {provider: relative for provider, _, relative in found}
    assert relatives["coreweave"] == 1
    assert relatives["runpod"] == pytest.approx(1.080381, abs=1e-6)


def test_a_day_that_is_not_over_has_no_index_yet(ledger):
    with pytest.raises(UsageError, match="is not over"):
        ledger.check_index("H100-SXM", NOW)
    with pytest.raises(UsageError, match="say which day"):
        ledger.check_index("H100-SXM")


def test_the_index_is_rounded_for_people_and_whole_for_programs(ledger):
    words = [
        "--home",
        str(ledger.home.path),
        "index",
        "H100-SXM",
        "--from",
        "2026-10-07",
        "--to",
        "2026-10-07",
    ]
    table = CliRunner().invoke(command_line, [*words, "-f", "table"]).stdout
    assert "106.12" in table and "106.124" not in table
    (row,) = by_command(ledger, *words[2:])
    assert row["price_index"] == pytest.approx(106.124738, abs=1e-6)


STEPS = [
    ("2026-01-01", "9.37", "first step"),
    ("2026-02-01", "9.37", "nothing changed"),
    ("2026-03-01", "3.87", "an offer came: rtx-4090-24gb, spot"),
    ("2026-04-01", "9.37", "an offer lapsed: rtx-4090-24gb, spot"),
    ("2026-05-01", "9.37", "nothing changed"),
    ("2026-06-01", "9.37", "nothing changed"),
    ("2026-07-01", "9.37", "nothing changed"),
    ("2026-08-01", "18.72", "an offer became stale: rtx-4090-24gb, on demand"),
    ("2026-09-01", "18.72", "nothing changed"),
    ("2026-10-01", "16.22", "an offer came: h200-sxm-141gb, spot"),
    ("2026-11-01", "18.72", "an offer became stale: h200-sxm-141gb, spot"),
]


@pytest.mark.deep
def test_each_step_of_a_cost_through_time_names_its_cause(ledger):
    later = Ledger(ledger.home, clock=lambda: datetime(2026, 11, 29, 12, tzinfo=UTC), environ={})
    rows = later.quote_over("llama-3-8b-lora", span="2026-01-01..2026-11-29", every="1mo")
    assert [(f"{row['as_of']:%Y-%m-%d}", row["usd_total"]["mid"]) for row in rows] == [
        step[:2] for step in STEPS
    ]
    for row, (_, _, cause) in zip(rows, STEPS, strict=True):
        begin, _, bought = cause.partition(", ")
        assert row["cause"].startswith(begin)
        assert not bought or f", {bought}, at " in row["cause"]
        # which offer, and when it was seen
        assert cause in ("first step", "nothing changed") or re.search(
            r" at \w+ .*seen (again )?2026-", row["cause"]
        )
    totals = [step[1] for step in STEPS]
    silent = [step[2] == "nothing changed" for step in STEPS[1:]]
    assert silent == [one == other for one, other in itertools.pairwise(totals)]


@pytest.mark.parametrize("gpu", ["RTX4090", "H100", "A100"])
def test_a_part_of_the_list_says_of_older_prices_what_the_whole_list_says(ledger, gpu):
    whole, first = ledger.offers(gpu), ledger.offers(gpu, limit=1)
    assert (len(whole), len(first)) == (whole.total, 1)
    assert [*first.remarks] == [*whole.remarks] == [*ledger.offers(gpu, order_by="provider").remarks] != []

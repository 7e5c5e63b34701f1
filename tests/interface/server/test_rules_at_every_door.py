"""What holds of every question at every door: which times and limits are refused, and that the stricter one counts."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client

from gpuledger import UsageError, gpuhunt
from gpuledger.cli import context
from tests.command_line import app as command_line
from tests.interface.server.large_ledger import NOW
from tests.interface.server.questions import DAY
from tests.interface.server.support_bot import PLAN, TOML

WRONG = {
    "a time that no calendar has": ("as_of", "9999-12-31T23:59:59-12:00", "no date or time"),
    "a time before all prices": ("as_of", "1066-10-14", "outside the years"),
    "a time in the future": ("as_of", "2030-01-01", "in the future"),
    "no time": ("as_of", "yesterday", "no date or time"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_time_is_one_usage_line_at_every_door(house, case):
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
def test_the_stricter_of_plan_and_option_holds_at_every_door_and_is_said(house, option, tmp_path):
    constraints, looser, verdict, key, limit = LIMITS[option]
    plan = PLAN | {"constraints": constraints}
    (tmp_path / "plan.toml").write_text(
        TOML + "\n[constraints]\n" + "".join(f"{name} = {value}\n" for name, value in constraints.items())
    )
    flag = {"budget_usd": "--budget", "deadline_hours": "--deadline"}[option]
    answers = [
        house.python.quote(plan, as_of=DAY, **{option: looser}).to_dict(),
        replace(house, folder=tmp_path).by_command(f"quote PLAN --as-of {DAY} {flag} {looser}", codes=(0, 1)),
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

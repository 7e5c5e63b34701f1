"""Every question at every door: Python, command line, REST and MCP give the same numbers, in one process over one
ledger."""

import html
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gpuledger import formats
from tests.interface.server.house import House, rows_of, written_plans
from tests.interface.server.questions import DAY, QUESTIONS, QUOTE, Asked
from tests.interface.server.support_bot import PLAN, TOML


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


DEAR = {"size", "quotes of many plans", "quote over time", "drivers"}
"""Questions that take four doors a second or more: in `make deep`."""


def deep_if(is_dear: bool, name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.deep) if is_dear else name


@pytest.mark.parametrize("name", [deep_if(name in DEAR, name) for name in QUESTIONS])
def test_every_door_gives_the_same_numbers(house, name):
    same_at_every_door(house, name)


@pytest.mark.parametrize(
    "name",
    [deep_if(name != "quote", name) for name in ("quote", "frontier", "compare", "quotes of many plans")],
)
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


def test_a_lock_is_the_same_text_and_gives_the_same_answer_everywhere(house, tmp_path):
    text = house.python.lock(PLAN, as_of=DAY, limit=3)
    assert house.rest.post("/v1/locks", params={"as_of": DAY, "limit": 3}, json=PLAN).json()["lock"] == text
    assert house.by_mcp("lock_prices", {"plan": PLAN, "as_of": DAY})["lock"] == text
    own = replace(house, folder=written_plans(tmp_path))
    by_command = own.by_command(f"quote PLAN --as-of {DAY} -n 3 --lock LOCK")
    assert (tmp_path / "prices.lock").read_text() == text
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

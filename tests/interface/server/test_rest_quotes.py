"""Quotes and estimates over REST."""

import json
import re
from decimal import Decimal

import httpx
import pytest

from gpuledger.questions.plans import UNSAVED
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.interface.server.conftest import serving
from tests.interface.server.large_ledger import NOW
from tests.interface.server.support_bot import PLAN, TOML


def essence(content):
    """Every number of a ranking; what depends on the minute of asking is left out."""
    return [
        {
            key: row[key]
            for key in ("quote_id", "provider", "region", "usd_total", "lines", "wall_hours", "gpus", "nodes")
        }
        for row in content["quotes"]
    ]


@pytest.fixture
def asking(bundled):
    with bundled.client() as client:
        yield client


def test_a_plan_in_toml_and_in_json_is_the_same_plan(asking):
    as_json = asking.post("/v1/quotes", json=PLAN).json()
    as_toml = asking.post("/v1/quotes", content=TOML, headers={"content-type": "application/toml"}).json()
    assert essence(as_json) == essence(as_toml)


def test_a_quote_is_created_with_its_address(asking):
    answer = asking.post("/v1/quotes", json={"preset": "llama-2-7b-qlora"})
    assert answer.status_code == 201
    best = answer.json()["quotes"][0]
    assert answer.headers["location"] == f"/v1/quotes/{best['quote_id']}"
    kept = asking.get(answer.headers["location"]).json()
    assert (kept["usd_total"], kept["lines"]) == (best["usd_total"], best["lines"])


def test_a_quote_whose_receipt_cannot_be_written_is_given_and_says_so(served_home):
    # no folder can be made where a file is, not even by the superuser
    (served_home.path / "quotes").write_text("")
    app = create_app(served_home, settings=GateSettings(), clock=lambda: NOW, environ={})
    with serving(app) as url:
        answer = httpx.post(f"{url}/v1/quotes?limit=1", json=PLAN, timeout=60)
    assert answer.status_code == 201
    assert UNSAVED in answer.json()["warnings"]
    assert "location" not in answer.headers
    assert str(served_home.path) not in answer.text


def test_a_receipt_leads_to_the_archived_bytes(asking):
    best = asking.post("/v1/quotes", json=PLAN).json()["quotes"][0]
    found = asking.get(f"/v1/quotes/{best['quote_id']}/receipt").json()
    states = {step["link"]: step["state"] for step in found["chain"]}
    assert states["dollars"] == "lines sum to the total"
    assert states["observation"] == "the ledger says the same"
    assert "hash verified" in states["document"]


def test_lines_sum_to_the_total(asking):
    for row in asking.post("/v1/quotes?limit=20", json=PLAN).json()["quotes"]:
        usd = [Decimal(line["usd"]) for line in row["lines"] if line["usd"] is not None]
        assert sum(usd) == Decimal(row["usd_total"]["mid"])


def test_options_narrow_the_ranking(asking):
    found = asking.post("/v1/quotes?gpu=H100&purchase_option=on_demand&max_gpus=1", json=PLAN).json()
    assert all(row["gpu_id"].startswith("h100") and row["gpus"] == 1 for row in found["quotes"])
    verdict = asking.post("/v1/quotes?budget_usd=0.01", json=PLAN).json()["budget"]
    assert verdict["passes"] is False


def test_an_unknown_quote_is_404(asking):
    for address in ("/v1/quotes/0123456789abcdef", "/v1/quotes/0123456789abcdef/receipt"):
        answer = asking.get(address)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_id_that_is_none_is_422_and_reaches_no_file(asking):
    assert asking.get("/v1/quotes/..%2f..%2fetc").status_code in (404, 422)
    assert asking.get("/v1/quotes/XYZ").status_code == 422


BAD_PLANS = [
    ({"preset": "llama-2-8b"}, "invalid-plan", "did you mean"),
    ({"model": "llama-2-7b", "methd": "qlora"}, "invalid-plan", "methd"),
    ({"model": "llama-2-7b", "training_tokens": -1}, "invalid-plan", "training_tokens"),
    ({"model": "llama-2-7b", "training_tokens": "many"}, "invalid-plan", "training_tokens"),
    ({}, "invalid-plan", "model"),
]


@pytest.mark.parametrize(("plan", "kind", "said"), BAD_PLANS, ids=[said for _, _, said in BAD_PLANS])
def test_a_wrong_plan_is_a_problem_that_names_the_key(asking, plan, kind, said):
    answer = asking.post("/v1/quotes", json=plan)
    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:gpuledger:problem:{kind}"
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[1]", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"name = ", "application/toml", 422),
        (b"<plan/>", "application/xml", 415),
        (b"", "application/json", 422),
    ],
)
def test_a_body_that_is_no_plan_is_a_problem(asking, body, kind, status):
    answer = asking.post("/v1/quotes", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_plan_that_fits_nothing_says_so(asking):
    answer = asking.post("/v1/quotes?gpu=L4&max_gpus=1", json={"preset": "llama-3-70b"})
    assert answer.status_code == 422
    assert answer.json()["type"] in ("urn:gpuledger:problem:does-not-fit", "urn:gpuledger:problem:no-offer")


def test_an_estimate_has_hours_and_memory_and_no_price(asking):
    found = asking.post("/v1/estimates?gpu=H100-SXM&gpus=8", json={"preset": "llama-2-7b"}).json()[
        "estimates"
    ]
    assert [row["gpu_id"] for row in found] == ["h100-sxm-80gb"]
    assert found[0]["wall_hours"]["mid"] > 0
    assert found[0]["fits"] is True
    assert not re.search("usd|price", json.dumps(found[0]["memory_gib"]))


def test_quotes_are_never_answered_from_memory(asking: httpx.Client):
    address = asking.post("/v1/quotes", json=PLAN).headers["location"]
    assert "etag" not in asking.get(address).headers

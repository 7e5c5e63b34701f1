"""Prices of tokens by day, and what serving is held against."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gpuledger import DoesNotFitError, Ledger, UsageError
from gpuledger.core.cost.carbon import energy
from gpuledger.core.serving.token_price import prices_on, token_price
from tests.template import start_bundled


def test_the_price_of_a_day_is_the_one_that_held_then():
    before, after = (token_price("deepseek/deepseek-v4-flash", date(2026, m, 1)) for m in (8, 9))
    assert (before.input_usd_per_mtok, after.input_usd_per_mtok) == (Decimal("0.14"), Decimal("0.22"))


def test_tokens_cost_what_each_kind_costs():
    price = token_price("openai/gpt-4o", date(2026, 10, 1))
    assert price.usd(Decimal(1_000_000), Decimal(100_000), cached_tokens=Decimal(400_000)) == Decimal("3.0")


def test_prices_of_fine_tuning_have_their_own_source():
    assert token_price("openai/gpt-4o-mini", date(2026, 10, 1)).training_usd_per_mtok == Decimal(3)


def test_a_day_before_the_first_price_of_fine_tuning_has_none():
    price = token_price("openai/gpt-4o-mini", date(2026, 3, 31))
    assert (price.training_usd_per_mtok, price.input_usd_per_mtok) == (None, Decimal("0.15"))


@pytest.mark.parametrize(
    ("api", "words"), [("openai/gpt-4o-minimal", "did you mean"), ("gpt-oss-120b", "is sold by several")]
)
def test_an_api_that_is_not_one_is_refused_with_those_that_are(api: str, words: str):
    with pytest.raises(UsageError, match=words):
        token_price(api, date(2026, 10, 1))


def test_words_choose_apis():
    assert {one.provider for one in prices_on(date(2026, 10, 1), "groq llama")} == {"groq"}


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    home = start_bundled(tmp_path_factory.mktemp("serving") / "home", now=NOW, has_history=True)
    return Ledger(home, clock=lambda: NOW, environ={})


ASKED = {"input_tokens": 800, "output_tokens": 200, "as_of": "2026-03-15", "limit": 3}


def test_own_machines_win_from_the_break_even_on(ledger: Ledger):
    api = "openai/gpt-4o"
    answer = ledger.serve_cost("llama-3.1-8b", requests_per_day=100, api=api, **ASKED)
    assert answer["api"]["decision"] == "api"
    even = answer["servings"][0]["break_even_requests_per_day"]["mid"]
    for requests, decision in ((even, "own"), (even // 2, "api")):
        again = ledger.serve_cost("llama-3.1-8b", requests_per_day=requests + 1, api=api, **ASKED)
        assert again["api"]["decision"] == decision


def test_more_load_takes_more_instances_and_the_interval_keeps_its_order(ledger: Ledger):
    answer = ledger.serve_cost("llama-3.3-70b", requests_per_day=2_000_000, **ASKED)
    assert len(answer["servings"]) == 3
    for one in answer["servings"]:
        assert one["instances"]["low"] <= one["instances"]["mid"] <= one["instances"]["high"]
        assert one["instances"]["mid"] > 1
        assert Decimal(one["usd_per_month"]["low"]) <= Decimal(one["usd_per_month"]["high"])


def test_prices_without_a_date_are_counted(ledger: Ledger):
    rows = ledger.token_prices("openai gpt-4o-mini", as_of="2023-01-01")
    assert rows and all(row["valid_from"] is None for row in rows)
    assert list(rows.remarks) == [
        f"{len(rows)} of {len(rows)} prices have no date: since when they held is not known"
    ]


def test_a_day_before_tokens_were_sold_has_no_price_of_them(ledger: Ledger):
    rows = ledger.token_prices("openai", as_of="2020-06-10")
    assert (list(rows), list(rows.remarks)) == (
        [],
        ["no API had a price of tokens on 2020-06-10; the first is of 2020-06-11"],
    )
    with pytest.raises(UsageError, match="no API had a price of tokens on 2019-01-01"):
        ledger.serve_cost("llama-3.1-8b", requests_per_day=1, api="openai/gpt-4o", as_of="2019-01-01")


def test_an_undated_price_that_decides_is_said_to_be_undated(ledger: Ledger):
    sign = "the price of openai/gpt-4o-mini has no date: since when it held is not known"
    api = "openai/gpt-4o-mini"
    assert sign in ledger.serve_cost("llama-3.1-8b", requests_per_day=100, api=api, **ASKED)["warnings"]
    asked = {"calls_per_month": 1000, "as_of": "2026-03-15", "allow_stale": True}
    assert sign in ledger.build_or_buy("llama-3-8b-lora", api=api, **asked)["assumptions"]


@pytest.mark.parametrize(
    ("load", "sign"),
    [
        ({"requests_per_day": 1e12}, "instances: whether a provider has so many is not known"),
        ({"requests_per_day": 1000, "samples": 10**6}, "instances: whether a provider has so many"),
        ({"requests_per_day": 1, "input_tokens": 200_000}, "200,200 tokens at once"),
    ],
)
def test_a_load_that_no_provider_or_model_may_carry_is_told(
    load: dict[str, float], sign: str, ledger: Ledger
):
    answer = ledger.serve_cost("llama-3.1-8b", **(ASKED | load))
    assert any(sign in warning for warning in answer["warnings"])


def test_an_ordinary_load_is_told_without_a_warning(ledger: Ledger):
    assert ledger.serve_cost("llama-3.1-8b", requests_per_day=100_000, **ASKED)["warnings"] == []


NO_LOADS = {
    "peak_factor: nan": {"peak_factor": float("nan")},
    "peak_factor: inf": {"peak_factor": float("inf")},
    "milliseconds_per_token: 0": {"milliseconds_per_token": 0},
    "milliseconds_per_token: nan": {"milliseconds_per_token": float("nan")},
    "samples: 0": {"samples": 0},
    "limit: 0": {"limit": 0},
    "precision: 'fp3' is none of": {"precision": "fp3"},
}


@pytest.mark.parametrize("words", NO_LOADS)
def test_a_load_that_is_none_is_refused_in_words(words: str, ledger: Ledger):
    with pytest.raises(UsageError, match=words):
        ledger.serve_cost("llama-3.1-8b", requests_per_day=100, **(ASKED | NO_LOADS[words]))


def test_a_latency_that_nothing_keeps_is_refused_with_the_fastest(ledger: Ledger):
    with pytest.raises(
        DoesNotFitError, match=r"no answer is as fast as is asked.*the fastest: .* ms a token on"
    ):
        ledger.serve_cost("llama-3.1-8b", requests_per_day=1, **ASKED, milliseconds_per_token=0.1)


def test_a_model_that_writes_nothing_is_not_served(ledger: Ledger):
    with pytest.raises(UsageError, match="reads text and writes none"):
        ledger.serve_cost("bert-base", requests_per_day=100)


@pytest.mark.parametrize("requests", [1, 100_000])
def test_a_million_tokens_cost_what_this_load_pays_for_them(ledger: Ledger, requests: int):
    best = ledger.serve_cost("llama-3.1-8b", requests_per_day=requests, **ASKED)["servings"][0]
    tokens = Decimal(requests) * Decimal(730) / 24 * 200
    paid = Decimal(best["usd_per_month"]["mid"]) / tokens * 1_000_000
    assert float(best["usd_per_million_output_tokens"]["mid"]) == pytest.approx(float(paid), rel=1e-3)
    assert paid > Decimal(best["full_load_usd_per_million_output_tokens"]["mid"])


def test_what_an_api_takes_need_not_be_typed(ledger: Ledger):
    asked = {"calls_per_month": 1_000_000, "as_of": "2026-03-15", "allow_stale": True}
    answer = ledger.build_or_buy("llama-3-8b-lora", api="openai/gpt-4o-mini", **asked)
    # 750 tokens at 0.15 and 250 at 0.60 USD per million
    assert answer["usd_per_call_api"] == "0.000262"
    with pytest.raises(UsageError, match="give either api"):
        ledger.build_or_buy("llama-3-8b-lora", **asked)


def test_stock_that_was_hardly_seen_gives_no_number(ledger: Ledger):
    answer = ledger.availability("H100")
    assert answer["there_within"] is None
    assert answer["remarks"][0].startswith("not enough seen")


def test_energy_is_watts_with_the_host_and_the_grid():
    found = energy("h100-sxm-80gb", {"mid": 1000.0}, provider="aws", region="eu-west-3", country="FR")
    # 700 W x 1.5 x 0.75 x 1.25 for 1,000 hours; 56.0 g in France
    assert found["kwh"] == {"mid": pytest.approx(984.375)}
    assert found["kg_co2"]["mid"] == pytest.approx(984.375 * 0.056, rel=0.001)


def test_a_region_goes_before_its_country():
    found = energy("h100-sxm-80gb", {"mid": 1.0}, provider="gcp", region="us-west4", country="US")
    assert found["grams_co2_per_kwh"] == 373.0


@pytest.mark.parametrize(
    ("gpu_id", "country", "words"),
    [("h100-sxm-80gb", None, "without a place"), ("h100-sxm-80gb", "AQ", "no figure for the grid of AQ")],
)
def test_carbon_that_is_not_known_is_not_zero(gpu_id: str, country: str | None, words: str):
    found = energy(gpu_id, {"mid": 1.0}, provider="x", region=None, country=country)
    assert found["kg_co2"] is None
    assert words in found["basis"]

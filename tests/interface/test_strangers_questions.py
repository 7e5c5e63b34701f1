"""Questions of a stranger that were once answered wrong without a sign, or in words that do not help."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gpuledger.cli import context
from tests.command_line import app

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WORDS = "--model llama-3-8b --method lora --dataset-tokens 20M"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def ask(home, monkeypatch):
    """Exit code, the answer, and what was said beside it."""
    monkeypatch.setattr(context, "now", lambda: NOW)

    def asked(words: str, *more: str, form: str = "json") -> tuple[int, Any, str]:
        ran = CliRunner().invoke(app, ["--home", str(home), *words.split(), *more, "-f", form])
        assert ran.exception is None or isinstance(ran.exception, SystemExit), repr(ran.exception)
        return (
            ran.exit_code,
            json.loads(ran.stdout) if form == "json" and ran.stdout else ran.stdout,
            ran.stderr,
        )

    return asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("quote llama-3-8b-lora --credit runpod=-5", "credit: '-5' must be above 0; write it as aws=100"),
        ("quote llama-3-8b-lora --credit runpod=much", "credit: 'much' is no amount of dollars"),
        ("quote llama-3-8b-lora --credit 100", "does not say which provider's it is"),
        (
            "quote --model llama-3-8b --method lora --dataset-tokens 20MB",
            "'20MB' is no count, as in 20000, 20k, 20M",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_with_what(ask, words, said):
    code, _, told = ask(words)
    assert code == 2 and said in told and len(told.strip().splitlines()) <= 2


def test_before_the_first_price_no_refresh_helps(ask):
    code, _, told = ask("quote llama-3-8b-lora --as-of 1999-01-01")
    assert code == 1 and "holds no offer of that time" in told


def test_a_credit_at_a_provider_that_nobody_knows_is_refused(ask):
    code, _, told = ask(f"quote {WORDS} --credit lamda=5 -n 1")
    assert code == 2 and "credit: no provider 'lamda' here; did you mean lambda?" in told
    _, answer, _ = ask(f"quote {WORDS} --credit lambda=5 -n 1")
    assert not any("no provider" in text for text in answer["warnings"])


@pytest.mark.parametrize(
    "words", ["history H100", "offers --gpu H100", "cheapest H100", "quote llama-3-8b-lora"]
)
def test_a_place_that_does_not_exist_is_named_wherever_it_is_asked_for(ask, words):
    code, _, told = ask(f"{words} --region narnia")
    assert code == 1 and "no region, country or continent 'narnia' here" in told


@pytest.mark.parametrize(
    ("region", "nearest"),
    [("virginia", "us")],
)
def test_a_place_in_the_words_of_people_names_its_code(ask, region, nearest):
    _, _, told = ask(f"offers --region {region}")
    line = next((line for line in told.splitlines() if "no region" in line), "")
    assert nearest in line.partition("did you mean")[2].replace("?", "").replace(",", " ").split(), told


@pytest.mark.parametrize(("word", "code"), [("Europe", "eu"), ("europe-", "eu"), ("USA", "us")])
def test_a_continent_or_country_in_words_is_its_code(ask, word, code):
    said, meant = ask(f"offers -n 3 --region {word}"), ask(f"offers -n 3 --region {code}")
    assert said[:2] == meant[:2] and "no region" not in said[2]


def test_a_bill_may_have_dollar_signs(ask, tmp_path):
    bill = tmp_path / "paid.csv"
    bill.write_text('name,usd\nGPU rental,$12.40\nRefund,-3\nTotal,"$9.40"\n')
    _, rows, _ = ask("budget diff llama-3-8b-lora", str(bill))
    assert {row["name"]: row["actual_usd"] for row in rows} == {
        "gpu_time": "12.40",
        "Refund": "-3.00",
        "total": "9.40",
    }


def test_a_report_has_no_needless_digits(ask):
    ran = ask("quote llama-3-8b-lora --report md", form="table")[1]
    assert "| dataset_tokens | 50,000,000 |" in ran and "| epochs | 3 |" in ran


def test_serving_is_priced_at_stale_prices_where_there_are_no_others_and_says_so(ask):
    code, answer, _ = ask("serve-cost llama-3.1-8b --requests-per-day 1000")
    assert code == 0 and answer["servings"]
    assert any(text.startswith("no live price yet; list prices of 2026-") for text in answer["warnings"])
    assert "gpuledger refresh" in ask("serve-cost llama-3.1-8b --requests-per-day 1000", form="table")[2]


def test_an_api_that_is_not_in_the_table_is_said_not_to_be(ask):
    code, _, told = ask("token-prices nothing-like-that")
    assert code == 1 and "no API in the table has 'nothing-like-that'" in told


def test_a_bill_is_compared_with_a_quote_of_the_same_plan_and_not_of_the_same_name(ask, tmp_path):
    plan, bill = tmp_path / "plan.toml", tmp_path / "bill.csv"
    for tokens in ("20e6", "2e9"):
        plan.write_text(f'name="mine"\nmethod="lora"\nmodel="llama-3-8b"\ndataset_tokens={tokens}\n')
        quoted = ask("quote", str(plan), "-n", "1")[1]["quotes"][0]
    bill.write_text("start,hours,cost,instance type\n2026-11-29T11:59:00Z,3,9.00,gpu_1x_h100_pcie\n")
    ask("actual import", str(bill), "--provider", "lambda")
    assert ask("actual compare", str(plan))[1]["quote_id"] == quoted["quote_id"]
    plan.write_text('name="mine"\nmethod="lora"\nmodel="llama-3-8b"\ndataset_tokens=20e6\n')
    first = ask("actual compare", str(plan))[1]
    assert first["quote_id"] != quoted["quote_id"]


def test_a_watch_has_one_id_from_the_beginning(ask):
    _, begun, _ = ask("watch H100:8 --below 2.00")
    _, later, _ = ask("watch")
    assert [row["watch_id"] for row in begun] == [row["watch_id"] for row in later]

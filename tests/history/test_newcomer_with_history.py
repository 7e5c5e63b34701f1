"""What misled people who tried it, asked again of the ledger as it ships: the bundled list and the bundled history."""

import json
from itertools import pairwise
from typing import Any

import pytest
from click.testing import CliRunner

from gpuledger import Ledger
from gpuledger.cli import context
from gpuledger.core.store.sql import text
from tests.command_line import app
from tests.history.conftest import NOW

LORA = 'method="lora"\nmodel="llama-3-8b"\n'
QLORA_70B = 'method="qlora"\nmodel="llama-2-70b"\ntraining_tokens=2097152\nsequence_length=2048\n[hardware]\n'
A_TRILLION = 'model="llama-2-7b"\ntraining_tokens=1e12\n'


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "now", lambda: NOW)


@pytest.fixture
def ask(history_home):
    """Exit code, the answer, and what was said beside it."""

    def asked(words: str, text: str | None = None, form: str = "json") -> tuple[int, Any, str]:
        ran = CliRunner().invoke(
            app, ["--home", str(history_home.path), *words.split(), "-f", form], input=text
        )
        assert ran.exception is None or isinstance(ran.exception, SystemExit), repr(ran.exception)
        return (
            ran.exit_code,
            json.loads(ran.stdout) if form == "json" and ran.stdout else ran.stdout,
            ran.stderr,
        )

    return asked


def test_with_nothing_fresh_all_stale_prices_compete_and_the_cheaper_older_one_is_named(ask):
    code, usual, _ = ask("quote llama-3-8b-lora")
    _, stale_too, _ = ask("quote llama-3-8b-lora --allow-stale")
    usd = [float(one["usd_total"]["mid"]) for one in usual["quotes"]]
    assert code == 0 and usd == sorted(usd)
    assert {one["price_state"] for one in usual["quotes"]} == {"stale"}
    assert [one["quote_id"] for one in usual["quotes"]] == [one["quote_id"] for one in stale_too["quotes"]]
    assert any("no live price yet" in text for text in usual["warnings"])
    older = usual["cheaper_but_older"]
    assert older["price_state"] == "lapsed" and float(older["usd_total"]["mid"]) < usd[0]
    assert any(
        text.startswith("cheaper but older: ") and "check: gpuledger refresh" in text
        for text in usual["warnings"]
    )


def test_no_price_of_the_bundled_list_is_fresh_for_longer_than_a_live_one(ask):
    _, rows, _ = ask("offers --provider runpod -n 50")
    assert rows and {row["price_state"] for row in rows} == {"stale"}


@pytest.mark.deep
def test_each_month_of_a_quote_names_its_cause_and_equal_prices_cost_the_same(ask):
    _, steps, _ = ask("quote llama-3-8b-lora --over 2026-01-01..2026-11-29 --every 1mo")
    assert len(steps) == 11 and all(step["cause"] for step in steps)
    for before, after in pairwise(steps):
        same = before["usd_total"] == after["usd_total"]
        assert same == (after["cause"] == "nothing changed"), after
    kinds = {step["cause"].partition(":")[0] for step in steps[1:]}
    assert kinds <= {
        "nothing changed",
        "a price moved",
        "an offer came",
        "an offer lapsed",
        "an offer became stale",
    }
    # the first of July went on under the name of another list
    august = next(step["cause"] for step in steps if step["as_of"].startswith("2026-08-01"))
    assert august.startswith("an offer came: ") and "salad" in august


@pytest.mark.parametrize("more", ["", " --allow-stale"])
def test_a_deadline_of_a_month_is_kept_by_what_is_ranked_first(ask, more):
    code, answer, _ = ask(f"quote -{more}", A_TRILLION + "[constraints]\ndeadline_hours=720\n")
    assert code == 0 and answer["quotes"][0]["wall_hours"]["mid"] <= 720
    assert all(one["misses_deadline"] is False for one in answer["quotes"])


def test_nothing_that_works_is_said_to_be_well_where_nothing_ever_delivered(ask):
    assert ask("audit")[0] == ask("status --exit-code")[0] == 3


@pytest.mark.parametrize(
    ("words", "text", "code"),
    [
        ("quote - --frontier", A_TRILLION + "[costs]\ncheckpoint_interval_hours=4\n", 0),
        ("quote -", LORA + "dataset_tokens=1e28\n", 2),
        ("quote - --frontier", LORA + "dataset_tokens=1e28\n", 2),
    ],
)
def test_ordinary_lines_are_no_traceback(ask, words, text, code):
    found, _, said = ask(words, text)
    assert found == code and (code == 0 or len(said.strip().splitlines()) == 1)


def test_pretraining_is_answered_with_what_people_would_run(ask):
    _, answer, _ = ask("quote -", 'model="llama-3.1-70b"\ntraining_tokens=1.4e12\n')
    assert all(one["wall_hours"]["mid"] <= 90 * 24 for one in answer["quotes"])
    assert all(one["price_state"] == "stale" for one in answer["quotes"])
    assert not any(one["purchase_option"] == "spot" for one in answer["quotes"][:3])


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("--budget 10000000", marks=pytest.mark.deep),
        "--budget 1000000 --inference-tokens 1e12",
    ],
)
def test_the_size_for_a_budget_is_trained_within_90_days_at_prices_that_have_not_lapsed(ask, words):
    code, answer, _ = ask(f"size {words}")
    assert code == 0 and answer["quote"]["wall_hours"]["mid"] <= 90 * 24
    assert float(answer["training_usd"]) + float(answer["inference_usd"] or 0) <= float(answer["budget_usd"])
    _, shorter, _ = ask(f"size {words} --deadline 30d")
    assert shorter["quote"]["wall_hours"]["mid"] <= 30 * 24 and shorter["parameters"] <= answer["parameters"]


def test_the_index_moves_with_prices_and_not_with_who_was_read(ask):
    _, rows, _ = ask("index H100-SXM --from 2026-08-01 --to 2026-10-01")
    levels = [row["price_index"] for row in rows if row["state"] == "published"]
    assert len(levels) > 50 and max(levels) / min(levels) < 1.01
    assert len({row["providers"] for row in rows}) > 2


def test_no_trend_is_told_of_days_that_cannot_be_compared(ask):
    _, answer, _ = ask("timing -g H100-SXM --gpu-hours 1000")
    assert "3 needed" in answer["withheld"]
    assert answer["index_date"] == "2026-10-09"
    assert abs(answer["trend"]["per_30_days"]) < 0.03 and answer["trend"]["low"] <= answer["trend"]["high"]


@pytest.mark.parametrize(
    "gpu", ["H100-SXM", "RTX-4090", "A100-PCIE", "MI300X", "L40S", "B200", "a100-80gb", "A100", "H100:8"]
)
def test_timing_and_spread_say_what_cheapest_says(ask, gpu):
    """They took lapsed prices, or the floor of the last day of the index."""
    first = ask(f"cheapest {gpu}")[1][0]
    _, answer, _ = ask(f"timing {gpu} --gpu-hours 100")
    names = ("usd_per_gpu_hour", "price_state", "gpu_id")
    assert [answer[name] for name in names] == [first[name] for name in names]
    assert answer["cheapest_provider"] == first["provider"]
    group = ask(f"cheapest {gpu} --spread provider")[1][0]
    assert [group["min_usd_per_gpu_hour"], group["price_state"]] == [first[name] for name in names[:2]]
    assert (answer["note"] is None) == (answer["index_gpu_id"] == answer["gpu_id"])


def test_history_keeps_options_apart_and_ends_what_nobody_saw_again(ask):
    _, rows, _ = ask("history A100:80GB --every 1mo --from 2026-01-01 --to 2026-11-29")
    assert {row["purchase_option"] for row in rows} >= {"on_demand", "spot"}
    assert not any(
        float(row["usd_per_gpu_hour"]) < 0.8 and row["cheapest_provider"] == "runpod" for row in rows
    )
    _, only, _ = ask("history H100-SXM --on-demand --every 1mo --from 2025-07-01 --to 2026-11-01")
    assert {row["purchase_option"] for row in only} == {"on_demand"}
    assert {float(row["usd_per_gpu_hour"]) for row in only if row["cheapest_provider"] == "runpod"} == {2.69}


def test_too_few_tokens_to_pretrain_ask_for_the_method(ask):
    code, _, said = ask("quote -", 'model="llama-3-8b"\ndataset_tokens=20e6\n')
    assert code == 2 and "too few to pretrain" in said and '"lora"' in said


def test_europe_alone_counts_what_nobody_can_place(ask):
    _, answer, _ = ask("quote - --region eu -n 30", LORA + "training_tokens=20e6\n")
    reasons = {row["reason"] for row in answer["excluded"]}
    assert {"its place is not known", "another region than asked for"} <= reasons
    assert any("could be outside eu" in text for text in answer["warnings"])


def test_a_credit_belongs_to_a_provider(ask):
    code, _, said = ask("quote -", LORA + "dataset_tokens=2e8\n[costs]\ncredit_usd=100\n")
    assert code == 2 and "at which provider" in said


def test_machines_that_are_paid_for_cost_their_power(ask, tmp_path, monkeypatch):
    terms = tmp_path / "own.toml"
    terms.write_text('[[owned]]\nname="desk"\ngpu="rtx-4090-24gb"\ngpus=2\ncapex_usd=0\n')
    monkeypatch.setenv("GPULEDGER_OVERRIDES", str(terms))
    _, answer, _ = ask("quote llama-3-8b-lora -n 1")
    best = answer["quotes"][0]
    assert best["provider"] == "owned" and 0 < float(best["usd_per_gpu_hour"]) < 0.1


@pytest.mark.parametrize(
    ("hardware", "low", "high"),
    [('gpu="h100-sxm-80gb"\ngpus=4\n', 0.741, 0.741), ('gpu="a100-sxm-40gb"\ngpus=4\n', 1.407, 1.407)],
)
def test_measured_hours_of_a_large_model_are_inside_the_interval(ask, hardware, low, high):
    _, answer, _ = ask("estimate -", QLORA_70B + hardware)
    assert answer["gpu_hours"]["low"] <= low and high <= answer["gpu_hours"]["high"]


def test_what_was_run_with_offloaded_weights_fits_with_them(ask):
    cards = QLORA_70B + 'gpu="rtx-4090-24gb"\ngpus=2\n'
    assert ask("estimate -", cards)[0] == 1
    code, answer, _ = ask("estimate -", cards + 'offload="parameters"\n')
    assert code == 0 and answer["fits"]


def test_egress_of_unknown_price_is_a_range_in_the_total(ask):
    plan = 'method="full_finetune"\nmodel="mistral-7b"\ndataset_tokens=30e6\n[costs]\negress_gb=777\n'
    _, answer, _ = ask("quote - -n 1", plan)
    best = answer["quotes"][0]
    line = next(row for row in best["lines"] if row["name"] == "egress")
    assert "not known" in line["basis"] and float(line["usd"]) > 0
    assert float(best["usd_total"]["high"]) - float(best["usd_total"]["low"]) > 777 * 0.1


def test_half_of_the_layers_frozen_is_a_quarter_less_work(ask):
    card = '[hardware]\ngpu="a100-sxm-80gb"\ngpus=1\n'
    plain = ask("estimate -", LORA + "dataset_tokens=2e7\n" + card)[1]["model_flops"]
    frozen = ask("estimate -", LORA + "dataset_tokens=2e7\nfrozen_layers_share=0.5\n" + card)[1][
        "model_flops"
    ]
    assert 0.2 < 1 - frozen / plain < 0.3


def test_python_and_the_command_line_list_the_same_with_staleness_as_a_column(ask, ledger):
    _, rows, _ = ask("offers --gpu H100 --on-demand -n 20")
    same = ledger.offers("H100", spot=False, limit=20)
    assert [row["offer_id"] for row in rows] == [row["offer_id"] for row in same] and rows
    assert all(row["price_state"] for row in rows)


def test_eight_sold_one_by_one_are_eight(ask):
    _, rows, _ = ask("cheapest H100-SXM:8")
    _, answer, _ = ask("quote llama-3-8b-lora --gpu H100-SXM:8 -p runpod -n 1")
    runpod = next(row for row in rows if row["provider"] == "runpod")
    assert float(runpod["usd_per_hour"]) == pytest.approx(8 * 2.69)
    assert answer["quotes"][0]["usd_per_gpu_hour"] == runpod["usd_per_gpu_hour"]


NEWEST = {
    # accelerator: the price seen last and its day; the other list has an older one by another name
    "L4": ("0.49", "2026-08-06"),  # 0.39
    "RTX-4090": ("0.74", "2026-08-06"),  # 0.69
    "MI300X": ("2.39", "2026-08-06"),  # 2.19
    "RTX-A6000": ("0.53", "2026-08-06"),  # 0.49
    "H100-SXM": ("3.99", "2026-11-09"),  # 3.29
    "A100-PCIE:80GB": ("1.79", "2026-11-09"),  # 1.39
    "B300": ("7.89", "2026-10-07"),  # 7.39
}
"""On-demand prices of RunPod's secure tier that both bundled lists know."""


@pytest.mark.parametrize("spec", NEWEST)
def test_of_two_names_of_one_machine_the_price_seen_later_is_the_only_one(ledger, spec):
    terms = {"providers": ("runpod",), "purchase_options": ("on_demand",), "tiers": ("secure",)}
    for rows in (ledger.offers(spec, **terms), ledger.cheapest(spec, **terms)):
        assert [(float(row["usd_per_gpu_hour"]), str(row["last_seen_at"])[:10]) for row in rows] == [
            (float(NEWEST[spec][0]), NEWEST[spec][1])
        ]


def test_no_older_price_stands_beside_the_same_machine_by_another_name(ledger):
    rows = ledger.query(
        "select older.sku, newer.sku from renamed_offer"
        " join offer as one on renamed_offer.offer_no = one.offer_no"
        " join offer as other on renamed_offer.other_no = other.offer_no"
        " join offer_last_seen as older on one.offer_id = older.offer_id"
        " join offer_last_seen as newer on other.offer_id = newer.offer_id"
        " where older.last_seen_at < newer.last_seen_at"
    )
    assert list(rows) == []
    # RunPod, Lambda, CoreWeave, OVH, Verda
    assert (
        ledger.query(
            "select count(distinct provider) as providers from renamed_offer join offer using (offer_no)"
        )[0]["providers"]
        >= 4
    )


def test_history_rises_where_the_newer_name_costs_more(ask):
    _, rows, _ = ask(
        "history L4 --provider runpod --tier secure --from 2026-08-01 --to 2026-09-01 --every 1w"
    )
    prices = [float(row["usd_per_gpu_hour"]) for row in rows if row["purchase_option"] == "on_demand"]
    assert (prices[0], prices[-1]) == (0.39, 0.49)


@pytest.mark.parametrize(
    "words",
    [
        "offers H100-SXM --region de",
        "cheapest H100-SXM --region us",
        "history H100-SXM --region de --from 2026-08-01 --every 1w",
    ],
)
def test_a_country_says_how_many_offers_may_be_there_and_are_left_out(ask, words):
    _, _, said = ask(words)
    assert "offers left out: their continent is known, their country is not" in said


def test_a_quote_for_a_country_counts_what_may_be_there_apart(ask):
    _, answer, _ = ask("quote llama-3-8b-lora --region us")
    counts = {row["reason"]: row["count"] for row in answer["excluded"]}
    assert counts["its country is not known"] > 20 and counts["its place is not known"] > 0


def test_a_list_says_the_same_of_older_prices_whether_they_were_read_with_it_or_by_a_second_question(
    history_home,
):
    # a limit that leaves nothing out takes the older prices from a question of their own
    ledger = Ledger(history_home.path, clock=lambda: NOW)
    spoken = 0
    for gpu in ("H100", "A100", "V100"):
        for filters in ({}, {"purchase_options": "reserved"}):
            at_once, in_two = (ledger.offers(gpu, **filters, limit=limit) for limit in (None, 100_000))
            assert list(at_once) == list(in_two)
            assert (at_once.total, at_once.remarks) == (in_two.total, in_two.remarks)
            spoken += any("cheaper but older" in remark for remark in at_once.remarks)
    assert spoken >= 2


def test_of_equal_prices_every_answer_names_the_same_provider_first(history_home):
    ledger = Ledger(history_home.path, clock=lambda: NOW)
    ties = 0
    saved = {
        row["gpu_id"]: row["provider"] for row in ledger.query(text("queries/question_cheapest_now_per_gpu"))
    }
    for row in ledger.overview():
        gpu, provider = row["gpu_id"], row["provider_on_demand"]
        if provider is None:
            continue
        ranking = [one for one in ledger.cheapest(gpu, allow_stale=True) if one["gpu_id"] == gpu]
        first = next(one for one in ledger.offers(gpu, purchase_options="on_demand") if one["gpu_id"] == gpu)
        assert {provider, first["provider"], saved[gpu]} == {ranking[0]["provider"]}, gpu
        ties += sum(one["usd_per_gpu_hour"] == ranking[0]["usd_per_gpu_hour"] for one in ranking[1:])
    assert ties > 0

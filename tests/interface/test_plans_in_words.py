"""Plans as people say them and answers that they can paste, as typed, on the bundled list at a fixed time."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gpuledger.cli.interview import asked_plan
from gpuledger.core.plan import read_plan
from gpuledger.core.store.home import Home
from gpuledger.flows import watch
from tests.command_line import app
from tests.interface.conftest import NOW

pytestmark = pytest.mark.usefixtures("today")
WEEKEND = (
    "quote --model meta-llama/Llama-3.1-8B --method qlora --samples 5000 --tokens-per-sample 600 --epochs 3"
    " --max-gpu-memory 24 --budget 20"
)
LORA = 'method="lora"\nmodel="llama-3-8b"\ndataset_tokens="200M"\nepochs=3\n'


def run(home: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments], input=text)


def asked(home: Path, *arguments: str, text: str | None = None, code: int = 0) -> Any:
    result = run(home, *arguments, text=text)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_weekend_user_has_an_answer_in_one_command_and_no_file(home):
    answer = asked(home, *WEEKEND.split())
    best = answer["quotes"][0]
    assert (best["gpu_id"], best["provider"]) == ("rtx-4090-24gb", "runpod")
    assert 0.5 < float(best["usd_total"]["mid"]) < 5 and answer["keeps_limits"]
    assert all(quote["gpu_id"].rpartition("-")[2] in ("24gb", "16gb", "20gb") for quote in answer["quotes"])


def test_set_changes_one_key_and_a_flag_the_method(home):
    answer = asked(
        home, "quote", "llama-3-8b-lora", "--set", "epochs=1", "--set", "costs.egress_gb=10", "-n", "1"
    )
    whole = asked(home, "quote", "llama-3-8b-lora", "-n", "1")
    ratio = float(answer["quotes"][0]["lines"][0]["usd"]) / float(whole["quotes"][0]["lines"][0]["usd"])
    assert ratio == pytest.approx(1 / 3, rel=0.05)
    other = asked(home, "quote", "llama-3-8b", "--method", "QLoRA", "--dataset-tokens", "20M", "-n", "1")
    assert float(other["quotes"][0]["usd_total"]["mid"]) < float(whole["quotes"][0]["usd_total"]["mid"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("quote",), "PLAN: is missing"),
        (("quote", "llama-3-8b-lora", "--set", "epochs"), "is no KEY=VALUE"),
        (("quote", "llama-3-8b-lora", "--set", "hardware.gpsu=8"), "did you mean gpu"),
        (("quote", "--model", "llama-3-8b", "--dataset-tokens", "20M"), "too few to pretrain"),
        (("quote", "--model", "llama-9-8b", "--method", "lora"), "no preset"),
        (("quote", "llama-3-8b-lora", "--deadline", "soon"), "is no time"),
        (("quote", "llama-3-8b-lora", "--credit", "100"), "write it as aws=100"),
        (("quote", "llama-3-8b-lora", "--dataset-tokens", "1e28"), "must be at most 1e+18"),
        (("watch", "H100-SXM"), "below is missing"),
        (("watch", "H100-SXM", "--below", "-1"), "below"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(home, arguments, words):
    result = run(home, *arguments)
    assert result.exit_code == 2 and words in result.stderr, result.output
    assert "Traceback" not in result.output and len(result.stderr.strip().splitlines()) == 1


def test_memory_that_no_accelerator_has_is_an_answer_of_nothing(home):
    result = run(home, "quote", "llama-3-8b-lora", "--max-gpu-memory", "1")
    assert result.exit_code == 1 and "no accelerator" in result.stderr, result.output


def test_a_frontier_with_a_checkpoint_interval_leaves_out_what_never_ends(home):
    plan = 'model="llama-2-7b"\ntraining_tokens=1e12\n[costs]\ncheckpoint_interval_hours=4\n'
    result = run(home, "quote", "-", "--frontier", text=plan)
    points = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0 and points
    assert all(float(point["usd_total"]["mid"]) > 0 for point in points)


def test_a_credit_counts_at_its_provider_and_ranks_by_what_it_uses(home):
    answer = asked(home, "quote", "-", "--credit", "aws=10000", text=LORA)
    best = answer["quotes"][0]
    assert best["provider"] == "aws" and best["usd_total"]["mid"] == "0.00"
    covered = [quote for quote in answer["quotes"] if quote["usd_total"]["mid"] == "0.00"]
    listed = [float(quote["usd_list_total"]["mid"]) for quote in covered]
    assert listed == sorted(listed) and listed[0] > 0
    assert all(
        q["usd_total"]["mid"] == q["usd_list_total"]["mid"]
        for q in answer["quotes"]
        if q["provider"] != "aws"
    )


def test_a_credit_in_the_plan_is_the_same_as_a_flag(home):
    plan = LORA + '[[credit]]\nprovider="AWS"\nusd=10000\n'
    in_plan, in_flag = (
        asked(home, "quote", "-", text=plan),
        asked(home, "quote", "-", "--credit", "aws=10000", text=LORA),
    )
    assert [q["usd_total"] for q in in_plan["quotes"]] == [q["usd_total"] for q in in_flag["quotes"]]


def test_machines_that_are_paid_cost_their_power(home, tmp_path, monkeypatch):
    own = tmp_path / "overrides.toml"
    own.write_text('[[owned]]\nname="desk"\ngpu="rtx-4090-24gb"\ngpus=2\ncapex_usd=0\n')
    monkeypatch.setenv("GPULEDGER_OVERRIDES", str(own))
    best = asked(home, "quote", "llama-3-8b-lora")["quotes"][0]
    # 450 W x 1.25 x 0.12 USD per kWh
    assert (best["provider"], best["usd_per_gpu_hour"]) == ("owned", "0.0675")


def test_unknown_egress_is_a_range_that_ranks_by_its_middle(home):
    plan = 'method="full_finetune"\nmodel="mistral-7b"\ndataset_tokens=30e6\n[costs]\negress_gb=777\n'
    answer = asked(home, "quote", "-", "-n", "20", text=plan)
    lines = {
        q["provider"]: next(line for line in q["lines"] if line["name"] == "egress") for q in answer["quotes"]
    }
    unknown = [line for line in lines.values() if "to 0.12 USD" in line["basis"]]
    assert unknown and all(
        (row["usd_low"], row["usd"], row["usd_high"]) == ("0.00", "46.62", "93.24") for row in unknown
    )


def test_early_stop_is_said_in_words(home):
    answer = asked(home, "quote", "llama-3-8b-lora", "--set", "costs.early_stop=0.3", "-n", "1")
    assert "the run ends after 30% of its hours" in answer["quotes"][0]["lines"][0]["basis"]


def test_power_is_assumed_and_said_in_own_or_rent(home):
    arguments = ("own-or-rent", "--gpus", "8", "--capex-usd", "250000", "--gpu", "H100-SXM")
    answer = asked(home, *arguments)
    assert float(answer["power_usd_per_month"]) > 0 and "watts_per_gpu: 1050" in answer["assumptions"][0]
    assert asked(home, *arguments, "--watts-per-gpu", "0")["power_usd_per_month"] == "0.00"


def test_a_lint_error_is_in_the_quote(home):
    plan = 'model="llama-3-8b"\nmethod="pretrain"\ntraining_tokens="20M"\n'
    answer = asked(home, "quote", "-", text=plan)
    assert any("far too few" in text for text in answer["warnings"])


def test_times_are_written_as_people_say_them_and_one_gpu_is_one(home):
    shown = run(home, *WEEKEND.split(), "-f", "table").stdout
    assert "2 h 7 min" in shown or " min" in shown
    assert "1 GPUs" not in shown and "1 GPU x" in shown and "(+0.00)" not in shown


def test_an_alternative_that_is_none_is_not_told(home):
    shown = run(home, "quote", "llama-3-8b-lora", "--reserved", "--allow-stale", "-f", "table").stdout
    assert "unused_commitment (+" not in shown


def test_csv_has_no_nested_cells(home):
    rows = list(csv.DictReader(io.StringIO(run(home, "quote", "llama-3-8b-lora", "-f", "csv").stdout)))
    assert float(rows[0]["usd_total_mid"]) > 0 and float(rows[0]["lines_gpu_time_usd"]) > 0
    assert not any(value.startswith(("{", "[")) for row in rows for value in row.values())


def test_presets_show_tokens_as_counts(home):
    shown = run(home, "presets", "-f", "table").stdout
    assert "15T" in shown and "000000.0" not in shown


def test_plans_stand_side_by_side_with_the_best_marked(home):
    shown = run(home, "compare", "llama-3-8b-lora", "llama-3-8b-qlora", "-f", "md").stdout
    lines = [line for line in shown.splitlines() if line.startswith("| ")]
    assert lines[0].startswith("|  | llama-3-8b-lora | llama-3-8b-qlora |") and lines[1].count("*") == 1
    beside = run(home, "quote", "llama-3-8b-lora", "--compare", "llama-3-8b-qlora", "-f", "md").stdout
    assert beside == shown


@pytest.mark.parametrize("kind", ["md", "html"])
def test_a_report_holds_all_that_a_reader_needs(home, kind):
    text = run(home, "quote", "llama-3-8b-lora", "--report", kind).stdout
    for part in (
        "Question",
        "Answer",
        "Hardware",
        "Cost lines",
        "Assumptions",
        "Evidence",
        "Not counted",
        "Prices",
    ):
        assert part in text
    assert "Receipt" in text and " to " in text
    if kind == "html":
        assert text.count("<svg") == 1 and "<script" not in text and "http" not in text.split("</style>")[0]


def test_a_usage_file_has_the_hours_of_the_cheapest_that_infracost_prices(home):
    usage = yaml.safe_load(run(home, "quote", "llama-3-8b-lora", "--report", "infracost").stdout)
    quote = asked(
        home, "quote", "llama-3-8b-lora", *("--provider", "aws", "--provider", "azure", "--provider", "gcp")
    )
    best = quote["quotes"][0]
    resource = {
        "aws": "aws_instance",
        "azure": "azurerm_linux_virtual_machine",
        "gcp": "google_compute_instance",
    }
    assert usage["version"] == 0.1
    assert usage["resource_usage"] == {
        f"{resource[best['provider']]}.llama_3_8b_lora{'[*]' if best['nodes'] > 1 else ''}": {
            "monthly_hrs": pytest.approx(best["wall_hours"]["mid"], abs=0.01)
        }
    }
    refused = run(home, "quote", "llama-3-8b-lora", "--report", "infracost", "--provider", "runpod")
    assert refused.exit_code == 2
    assert "infracost: it prices aws, azure, gcp alone" in refused.stderr


def test_drivers_have_shares_levers_by_dollars_and_chances(home):
    answer = asked(home, "drivers", "llama-3-8b-lora", "--budget", "15", "--deadline", "3 d", "--seed", "3")
    assert sum(row["share_of_variance"] for row in answer["inputs"]) == pytest.approx(1, abs=0.1)
    assert len(answer["levers"]) == 10
    saved = [float(row["usd_saved"]) for row in answer["levers"] if row["usd_saved"] is not None]
    assert saved == sorted(saved, reverse=True)
    assert all(row["usd_saved"] is not None or row["reason"] for row in answer["levers"])
    outcomes = answer["outcomes"]
    assert 0 < outcomes["chance_within_budget"] < 1 and outcomes["usd"]["p10"] < outcomes["usd"]["p90"]
    mid = float(answer["usd_total"]["mid"])
    assert outcomes["usd"]["p10"] < mid < outcomes["usd"]["p90"]
    again = asked(home, "drivers", "llama-3-8b-lora", "--budget", "15", "--deadline", "3 d", "--seed", "3")
    assert again == answer


def test_a_gate_passes_and_fails_with_findings(home, tmp_path):
    assert asked(home, "check", "llama-3-8b-lora", "--budget", "50", "-f", "json")["passes"] is True
    sarif = tmp_path / "found.sarif"
    answer = asked(
        home, "check", "llama-3-8b-lora", "--budget", "5", "--sarif", str(sarif), "-f", "json", code=1
    )
    assert [row["rule"] for row in answer["findings"] if row["level"] == "error"] == ["budget"]
    content = json.loads(sarif.read_text())
    assert content["version"] == "2.1.0" and content["runs"][0]["results"][0]["ruleId"] == "budget"
    told = run(home, "check", "llama-3-8b-lora", "--budget", "5", "--annotations").stdout
    assert told.startswith("::error file=llama-3-8b-lora::budget: ")


def test_a_gate_parts_what_changed_since_the_lock_into_price_and_plan(home, tmp_path):
    lock, plan = tmp_path / "prices.lock", tmp_path / "plan.toml"
    plan.write_text(LORA)
    assert run(home, "quote", str(plan), "--lock", str(lock), "-n", "3").exit_code == 0
    plan.write_text(LORA.replace("epochs=3", "epochs=6"))
    change = asked(home, "check", str(plan), "--lock", str(lock), "-f", "json")["change"]
    assert change["share_by_price"] == 0 and change["share_by_plan"] == pytest.approx(1, abs=0.05)
    comment = run(home, "check", str(plan), "--lock", str(lock), "-f", "md").stdout
    assert "of which price +0, plan +" in comment and "| gpu_time |" in comment


def test_a_watch_tells_once_per_crossing(home, monkeypatch):
    added = asked(home, "watch", "H100-SXM", "--below", "100", "-f", "json")
    assert added[0]["is_below"] is False
    # a price that is not fresh is no reason to tell
    assert watch.look(Home(home), at=NOW) == []
    monkeypatch.setattr(watch, "_cheapest", lambda *_: _Offer("2.50"))
    assert len(watch.look(Home(home), at=NOW)) == 1 and watch.look(Home(home), at=NOW) == []
    monkeypatch.setattr(watch, "_cheapest", lambda *_: _Offer("150"))
    assert watch.look(Home(home), at=NOW) == []
    monkeypatch.setattr(watch, "_cheapest", lambda *_: _Offer("90"))
    crossing = watch.look(Home(home), at=NOW)[0]
    assert "90 USD per GPU-hour at acme" in crossing.to_body(NOW)["text"]
    assert asked(home, "watch", "--remove", added[0]["watch_id"], "-f", "json") == []


class _Offer:
    provider, instance_type, region = "acme", "big", "eu-1"

    def __init__(self, usd: str) -> None:
        from decimal import Decimal

        self.usd_per_gpu_hour = Decimal(usd)


def test_six_questions_make_a_plan():
    answers = iter(["llama 3.1 9b", "Llama 3.1 8B", "QLoRA", "5000 x 600", "3", "$20", "2 d"])
    said: list[str] = []
    plan = read_plan(asked_plan(lambda question, default: next(answers), said.append), syntax="toml")
    assert (plan.model, plan.method, plan.dataset_tokens, plan.epochs) == ("llama-3.1-8b", "qlora", 3e6, 3)
    assert (str(plan.constraints.budget_usd), plan.constraints.deadline_hours) == ("20", 48)
    assert len(said) == 1 and "llama-3.1-8b" in said[0]

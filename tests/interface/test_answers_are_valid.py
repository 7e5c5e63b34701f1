"""What misled people who tried it (docs/validity.md), as they typed it, on the bundled list at a fixed time."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gpuledger import Ledger
from tests.command_line import app
from tests.interface.conftest import NOW

pytestmark = pytest.mark.usefixtures("today")


def run(home: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments], input=text)


def quote(home: Path, *arguments: str, text: str | None = None) -> dict[str, Any]:
    return json.loads(run(home, "quote", *arguments, text=text).stdout)


def rows(found: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(found.stdout)))


def test_the_cheaper_older_price_is_named_with_its_age_and_the_command_that_checks_it(home):
    found = quote(home, "llama-3-8b-lora")
    assert {one["price_state"] for one in found["quotes"]} == {"stale"}
    usd = [float(one["usd_total"]["mid"]) for one in found["quotes"]]
    assert usd == sorted(usd)
    older = found["cheaper_but_older"]
    assert (older["gpu_id"], older["purchase_option"]) == ("rtx-4090-24gb", "spot")
    assert float(older["usd_total"]["mid"]) < usd[0]
    assert (older["price_state"], older["check"]) == ("lapsed", "gpuledger refresh runpod")
    said = f"{older['usd_total']['mid']} USD in all"
    assert any("seen 9 months ago" in text and said in text for text in found["warnings"])
    assert any("no live price yet" in text for text in found["warnings"])
    assert {"reason": "price lapsed, seen too long ago", "count": 73} in found["excluded"]


def test_a_price_of_the_bundled_list_is_no_fresher_than_one_of_its_provider(home):
    found = rows(run(home, "offers", "--provider", "runpod", "-f", "csv"))
    assert {row["price_state"] for row in found} == {"stale"}


def test_a_plan_with_a_deadline_is_answered_with_an_offer_that_keeps_it(home):
    plan = 'model="llama-2-7b"\ntraining_tokens=1e12\n[constraints]\ndeadline_hours=720\n'
    found = run(home, "quote", "-", text=plan)
    best = json.loads(found.stdout)["quotes"][0]
    assert best["misses_deadline"] is False
    assert best["wall_hours"]["mid"] <= 720
    assert found.exit_code == 0


def test_a_run_of_years_is_a_line_below_the_one_that_people_would_make(home):
    found = quote(home, "-", text='model="llama-3.1-70b"\ntraining_tokens=1.4e12\n')
    assert all(one["wall_hours"]["mid"] <= 90 * 24 for one in found["quotes"])
    assert found["deadline"] is None and found["keeps_limits"]
    assert any("90 (not given; nothing longer is proposed)" in text for text in found["assumptions"])
    assert any(text.startswith("slower but cheaper") for text in found["warnings"])


@pytest.mark.parametrize(("flag", "limit"), [("--deadline", "0.001"), ("--budget", "0.01")])
def test_a_limit_that_no_offer_keeps_is_exit_code_1_beside_the_best_answer(home, flag, limit):
    found = run(home, "quote", "llama-3-8b-lora", flag, limit)
    assert found.exit_code == 1
    assert json.loads(found.stdout)["keeps_limits"] is False


def test_an_estimate_of_what_does_not_fit_is_exit_code_1(home):
    plan = 'method="full_finetune"\nmodel="llama-2-70b"\ntraining_tokens=1e6\n[hardware]\ngpu="rtx-4090-24gb"\ngpus=1\n'
    assert run(home, "estimate", "-", text=plan).exit_code == 1


def test_each_step_over_time_names_its_cause(home):
    found = rows(
        run(
            home,
            "quote",
            "llama-3-8b-lora",
            "--over",
            "2026-01-01..2026-05-01",
            "--every",
            "1mo",
            "-f",
            "csv",
        )
    )
    causes = [row["cause"] for row in found]
    assert [cause.split(":")[0] for cause in causes] == [
        "first step",
        "nothing changed",
        "an offer came",
        "an offer lapsed",
        "nothing changed",
    ]
    spot = "rtx-4090-24gb NVIDIA GeForce RTX 4090, spot, at runpod"
    assert spot in causes[2] and spot in causes[3]
    usd = [float(row["usd_total_mid"]) for row in found]
    assert usd[0] == usd[1] == usd[3] == usd[4] > usd[2]


def test_monitoring_says_that_nothing_ever_worked(home):
    status = run(home, "status", "--exit-code", "-f", "json")
    assert status.exit_code == 3
    content = json.loads(status.stdout)
    states = {row["source"]: row["state"] for row in content if row["state"] != "archive"}
    assert states["runpod"] == "never" and states["prime_intellect"] == "not configured"
    assert run(home, "audit").exit_code == 3


def test_what_is_imported_is_listed_with_what_it_covers(home):
    lists = [row for row in json.loads(run(home, "status", "-f", "json").stdout) if row["state"] == "archive"]
    runpod = next(row for row in lists if row["provider"] == "runpod")
    assert (runpod["source"], runpod["kind"], runpod["rows"]) == ("bundled", "rows", 96)
    assert (runpod["covers_from"][:10], runpod["covers_until"][:10]) == ("2025-06-19", "2026-11-09")


def test_history_keeps_purchase_options_apart_and_ends_what_has_lapsed(home):
    found = rows(run(home, "history", "A100:80GB", "--every", "1mo", "--from", "2025-07-01", "-f", "csv"))
    spot = {row["step_at"][:7]: row["usd_per_gpu_hour"] for row in found if row["purchase_option"] == "spot"}
    # last seen in June 2025, a market price: history from August on
    assert spot["2025-07"] == "0.79" and "2025-09" not in spot
    assert {row["price_state"] for row in found} <= {"recorded", "fresh", "stale"}
    assert len({(row["step_at"], row["purchase_option"]) for row in found}) == len(found)


def test_eight_gpus_are_found_where_they_are_sold_one_by_one(home):
    spec = rows(run(home, "cheapest", "H100-SXM:8", "-f", "csv"))
    assert spec[0]["provider"] == "runpod" and int(spec[0]["max_gpus"]) >= 8
    assert "runpod" in {row["provider"] for row in rows(run(home, "offers", "-g", "H100-SXM:8", "-f", "csv"))}


def test_the_doors_give_one_order(home):
    line = rows(run(home, "cheapest", "H100-SXM", "--as-of", "2026-03-15", "-f", "csv"))
    python = Ledger(home, clock=lambda: NOW).cheapest("H100-SXM", as_of="2026-03-15")
    assert [row["provider"] for row in line] == [row["provider"] for row in python]

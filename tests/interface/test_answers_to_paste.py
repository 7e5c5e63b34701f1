"""Answers as people read and paste them: gates, comparisons, drivers and reports in every odd case."""

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.command_line import app
from tests.interface.server.test_page_browser import ARGUMENTS, CHROMIUM

pytestmark = pytest.mark.usefixtures("today")
LORA = 'name="mine"\nmethod="lora"\nmodel="llama-3-8b"\ndataset_tokens="20 million"\n'
UNFIT = 'method="lora"\nmodel="llama-3-70b"\n[hardware]\ngpu="t4-16gb"\ngpus=1\n'
FULL = """name = "support bot"
method = "lora"
team = "typical"
model = "unsloth/llama-3-8b-bnb-4bit"
dataset_tokens = "20 million"
epochs = 3
sequence_length = 4096
lora_rank = 32
optimizer = "adamw_8bit"
global_batch_tokens = "64k"
[constraints]
budget_usd = "$20"
deadline_hours = "3 d"
max_gpus = 8
[costs]
people_usd = 500
egress_gb = "100 GB"
dataset_gb = "2 GB"
checkpoint_keep = 2
trials = 4
experiments = 3
experiment_usd = 10
failed_run_factor = "1..2"
utilisation = 0.8
startup_minutes = 12
data_usd = 200
safety_usd = 100
hosting_usd_per_month = 30
hosting_months = 6
"""


def run(home: Path, *arguments: str, text: str | None = None):
    ran = CliRunner().invoke(app, ["--home", str(home), *arguments], input=text)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), repr(ran.exception)
    return ran


def on_a_terminal(home: Path, columns: int, *arguments: str) -> str:
    """What a person sees on a terminal of that width."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    program = [sys.executable, "-c", "from gpuledger.cli.main import run; run()", "--home", str(home)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    shown = b""
    with subprocess.Popen([*program, *arguments], stdout=follower, stderr=follower, env=environ) as process:
        os.close(follower)
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        process.wait()
    os.close(leader)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode().replace("\r", ""))


def test_a_verdict_as_a_table_is_sentences_and_two_tables(home, tmp_path):
    plan, lock = tmp_path / "plan.toml", tmp_path / "march.lock"
    plan.write_text(LORA)
    run(home, "quote", str(plan), "--lock", str(lock), "--as-of", "2026-03-15", "-n", "1")
    ran = run(home, "check", str(plan), "--lock", str(lock), "--budget", "1", "-f", "table")
    assert ran.exit_code == 1
    first, second, *rest = ran.stdout.splitlines()
    assert re.fullmatch(
        r"mine: FAILS; \d+\.\d\d USD \([\d.]+ to [\d.]+\), [\d a-z]+; quote [0-9a-f]{16}", first
    )
    assert re.fullmatch(r"\+\d+ % since 2026-03-15, of which price [+-]\d+, plan [+-]0\.", second)
    assert any(line.split() == ["LINE", "THEN,", "USD", "NOW,", "USD"] for line in rest)
    assert any(re.match(r" error +budget +1\.\d\d USD are 0\.\d\d USD over", line) for line in rest)
    assert "rule " not in ran.stdout and "{" not in ran.stdout


def test_a_plan_that_no_offer_can_run_fails_with_a_finding_and_its_sarif(home, tmp_path):
    sarif = tmp_path / "found.sarif"
    ran = run(home, "check", "-", "-f", "json", "--sarif", str(sarif), text=UNFIT)
    answer = json.loads(ran.stdout)
    assert (ran.exit_code, answer["passes"], answer["usd_total"]) == (1, False, None)
    assert (
        answer["findings"][0]["rule"] == "offer"
        and "does not fit in its memory" in answer["findings"][0]["message"]
    )
    assert json.loads(sarif.read_text())["runs"][0]["results"][0]["ruleId"] == "offer"
    assert run(home, "check", "-", "-f", "md", text=UNFIT).stdout.startswith(
        "### plan: **fails**\n\n- error, offer"
    )


@pytest.mark.parametrize("content", ["not json", "{}", '{"version": 1}', "[]"])
def test_what_is_no_lock_says_how_one_is_made(home, tmp_path, content):
    lock = tmp_path / "a.lock"
    lock.write_text(content)
    ran = run(home, "check", "llama-3-8b-lora", "--lock", str(lock))
    assert (
        ran.exit_code == 2 and "`quote --lock FILE` writes one" in ran.stderr and "Error(" not in ran.stderr
    )


def test_a_deadline_that_is_missed_is_told_in_hours_as_people_say_them(home):
    ran = run(home, "check", "-", "--deadline", "1 h", "--max-gpus", "1", "--gpu", "t4", "-f", "md", "--allow-stale",
              text='method="qlora"\nmodel="llama-3.2-1b"\ndataset_tokens="200M"\n')  # fmt: skip
    assert ran.exit_code == 1 and re.search(
        r"error, deadline: [\d a-z]+ are [\d a-z]+ over the deadline of 60 min", ran.stdout
    )


def test_a_comparison_wider_than_the_terminal_becomes_several_below_each_other(home):
    plans = [
        f"{name}-lora" for name in ("llama-3-8b", "llama-2-7b", "mistral-7b", "qwen2.5-7b", "gemma-2-9b")
    ]
    shown = on_a_terminal(home, 80, "compare", *plans)
    assert shown.count("total, USD") >= 2 and all(name in shown for name in plans)
    assert max(map(len, shown.splitlines())) <= 80


def test_a_plan_without_a_quote_does_not_stretch_the_comparison(home):
    ran = run(home, "compare", "llama-3-8b-lora", "-", "-f", "table", text=UNFIT)
    assert ran.exit_code == 0 and max(map(len, ran.stdout.splitlines())) < 80
    assert "no quote of plan: " in ran.stderr


def test_levers_that_work_through_the_hours_are_not_tried_where_those_are_given(home):
    plan = 'method="lora"\nmodel="llama-3-8b"\n[hardware]\ngpu_hours=100\ngpu="a100-sxm-80gb"\n'
    rows = {
        row["lever"]: row
        for row in json.loads(run(home, "drivers", "-", "-f", "json", text=plan).stdout)["levers"]
    }
    assert len(rows) == 10
    for name in ("quantise", "smaller_gpu", "shorter_sequences"):
        assert rows[name]["usd_saved"] is None and "gives its hours" in rows[name]["reason"]


@pytest.mark.parametrize("seed", ["-1", str(2**128)])
def test_a_seed_out_of_bounds_is_one_line(home, seed):
    ran = run(home, "drivers", "llama-3-8b-lora", "--seed", seed)
    assert ran.exit_code == 2 and "must be 0 or more, and less than 2^128" in ran.stderr


def test_drivers_in_a_narrow_terminal_keep_what_each_lever_costs(home):
    shown = on_a_terminal(home, 120, "drivers", "llama-3-8b-lora")
    assert "COSTS," in shown and "Hidden" not in shown


def test_a_report_on_a_plan_that_misses_its_budget_is_written_and_exits_1(home):
    ran = run(home, "quote", "llama-3-8b-lora", "--report", "md", "--budget", "1")
    assert ran.exit_code == 1 and "It is over the budget of 1 USD." in ran.stdout
    kept = run(home, "quote", "llama-3-8b-lora", "--report", "md", "--deadline", "3 d")
    assert kept.exit_code == 0 and "It is within the deadline of 3 d." in kept.stdout


@pytest.mark.parametrize(
    "words", [("--frontier",), ("--compare", "llama-3-8b-qlora"), ("--over", "2026-01-01..2026-03-01")]
)
def test_a_report_is_no_other_form_at_once(home, words):
    ran = run(home, "quote", "llama-3-8b-lora", "--report", "md", *words)
    assert ran.exit_code == 2 and "each is an answer of its own" in ran.stderr


@pytest.mark.parametrize("kind", ["md", "html"])
def test_all_lines_of_a_report_add_up_to_its_total(home, kind):
    text = run(home, "quote", "-", "--report", kind, text=FULL).stdout
    table = text.partition("Cost lines")[2].partition("Assumptions")[0]
    cell = r"\| [a-z_]+ \| ([\d.]+) \|" if kind == "md" else r"<td>[a-z_]+</td><td class=\"n\">([\d.]+)</td>"
    *lines, total = [float(one) for one in re.findall(cell, table)]
    assert len(lines) > 12 and sum(lines) == pytest.approx(total, abs=0.05)


@pytest.mark.parametrize("name", ["a\\nb", "<script>alert(1)</script>", "`gpuledger` x", "🙂", "| pipes |"])
def test_a_report_of_a_plan_with_an_odd_name_has_one_heading_and_no_script(home, name):
    plan = f'name="{name}"\n' + LORA.partition("\n")[2]
    for kind in ("md", "html"):
        text = run(home, "quote", "-", "--report", kind, text=plan).stdout
        assert "<script" not in text
        assert (text.splitlines()[1] == "" and text.startswith("# Cost of ")) or text.count("<h1>") == 1


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH (apt-get install chromium)")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_report_prints_on_two_pages(home, tmp_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        for plan in (LORA, FULL, 'model="llama-3.1-70b"\nmethod="pretrain"\ntraining_tokens="1.4T"\n'):
            page.set_content(run(home, "quote", "-", "--report", "html", text=plan).stdout)
            printed = page.pdf(prefer_css_page_size=True)
            assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 2
        browser.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("watch", "H100", "--below", "2", "--provider", "lamda"),
            "no provider 'lamda' here; did you mean lambda",
        ),
        (("watch", "H100", "--below", "2", "--option", "spott"), "is none of on_demand, spot"),
    ],
)
def test_a_watch_that_would_wait_for_ever_is_refused(home, words, told):
    ran = run(home, *words)
    assert ran.exit_code == 2 and told in ran.stderr


def test_a_watch_takes_options_as_people_write_them(home):
    row = json.loads(
        run(home, "watch", "H100", "--below", "$2", "--option", "On-Demand", "-f", "json").stdout
    )[0]
    assert (row["purchase_option"], row["below"]) == ("on_demand", "2")


def test_several_words_of_an_api_need_no_quotes(home):
    apart, together = run(home, "token-prices", "openai", "mini"), run(home, "token-prices", "openai mini")
    assert apart.exit_code == 0 and apart.stdout == together.stdout != ""

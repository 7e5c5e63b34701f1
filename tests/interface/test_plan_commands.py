"""The commands about plans, run in process on the bundled price list as of March 2026."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gpuledger import parse
from tests.command_line import app
from tests.template import start_bundled, this_hour

AS_OF = ("--as-of", "2026-03-15")
SCENARIOS = {
    "scenario-1": ('gpu = "RTX4090"\nwall_hours = 6', "interruption_rate_per_hour = 0", ["--spot"], "0.84"),
    "scenario-1-experiments": (
        'gpu = "RTX4090"\nwall_hours = 6',
        'interruption_rate_per_hour = 0\nexperiments = 30\nexperiment_usd = "1.00"',
        ["--spot"],
        "30.84",
    ),
    "scenario-2": ('gpu = "A100-PCIe"\nwall_hours = 24', "", ["--on-demand"], "28.56"),
    "scenario-3": ('gpu = "H100-SXM"\ngpus = 2\ngpu_hours = 80', "", ["--on-demand"], "215.20"),
    "scenario-3-four": ('gpu = "H100-SXM"\ngpus = 4\ngpu_hours = 80', "", ["--on-demand"], "215.20"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_bundled(tmp_path_factory.mktemp("home"), now=this_hour())


def run(home: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments], input=text)


def plan_file(folder: Path, name: str, hardware: str, costs: str) -> str:
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\n[hardware]\n{hardware}\n[costs]\n{costs}\n')
    return str(path)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenarios_of_the_founding_article_cost_what_they_should(home, tmp_path, name):
    hardware, costs, flags, usd = SCENARIOS[name]
    found = run(home, "quote", plan_file(tmp_path, name, hardware, costs), *flags, *AS_OF)
    assert found.exit_code == 0, found.output
    best = json.loads(found.stdout)["quotes"][0]
    assert (best["provider"], best["usd_total"]["mid"]) == ("runpod", usd)


def test_a_quote_is_one_json_object_in_a_pipe_and_a_table_on_request(home):
    found = run(home, "quote", "llama-2-7b-qlora", *AS_OF)
    assert {"plan", "as_of", "snapshot", "quotes", "excluded"} <= json.loads(found.stdout).keys()
    table = run(home, "quote", "llama-2-7b-qlora", *AS_OF, "--format", "table", "--budget", "1")
    assert "gpu_time" in table.stdout and "budget: fail" in table.stdout and "Not included" in table.stdout


def test_csv_and_jsonl_have_a_row_for_each_quote(home):
    lines = run(
        home, "quote", "llama-2-7b-qlora", *AS_OF, "--limit", "3", "--format", "jsonl"
    ).stdout.splitlines()
    assert [json.loads(line)["rank"] for line in lines] == [1, 2, 3]
    table = run(
        home, "quote", "llama-2-7b-qlora", *AS_OF, "--limit", "3", "--format", "csv"
    ).stdout.splitlines()
    assert len(table) == 4 and table[0].startswith("rank,quote_id,provider")


def test_a_quote_can_be_explained_afterwards(home):
    quoted = json.loads(run(home, "quote", "llama-2-7b-qlora", *AS_OF).stdout)["quotes"][0]
    found = json.loads(run(home, "explain", quoted["quote_id"]).stdout)
    states = {link["link"]: link["state"] for link in found["chain"]}
    assert found["usd_total"] == quoted["usd_total"]
    assert states["observation"] == "the ledger says the same"
    assert states["document"].endswith("bytes in the archive, hash verified")


def test_a_lock_gives_the_same_bytes_on_an_empty_machine(home, tmp_path):
    lock = str(tmp_path / "prices.lock")
    first = run(home, "quote", "llama-2-7b-qlora", "--lock", lock, "--limit", "4")
    assert first.exit_code == 0, first.output
    kept = Path(lock).read_bytes()
    again = run(tmp_path / "nothing", "quote", "llama-2-7b-qlora", "--lock", lock, "--limit", "4")
    assert again.stdout == first.stdout
    assert Path(lock).read_bytes() == kept


def test_own_terms_are_read_from_the_home(home):
    before = json.loads(run(home, "quote", "llama-2-7b-qlora", *AS_OF, "--provider", "runpod").stdout)[
        "quotes"
    ][0]
    own = home / "overrides.toml"
    own.write_text('[[discount]]\nprovider = "runpod"\npercent = 50\n')
    try:
        after = json.loads(run(home, "quote", "llama-2-7b-qlora", *AS_OF, "--provider", "runpod").stdout)[
            "quotes"
        ][0]
    finally:
        own.unlink()
    assert after["usd_list_total"] == before["usd_total"]
    assert float(after["usd_total"]["mid"]) == pytest.approx(float(before["usd_total"]["mid"]) / 2, abs=0.01)


def test_many_plans_give_a_row_each_and_name_the_one_that_fails(home, tmp_path):
    plans = tmp_path / "plans.jsonl"
    good = {"name": "good", "hardware": {"gpu": "H100-SXM", "wall_hours": 1}}
    bad = {
        "name": "bad",
        "hardware": {"gpu": "RTX3090", "wall_hours": 1},
        "constraints": {"providers": ["aws"]},
    }
    plans.write_text("\n".join(json.dumps(plan) for plan in (good, bad)))
    found = run(home, "quote", str(plans), *AS_OF)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert found.exit_code == 0
    assert rows[0]["quotes"][0]["usd_total"]["mid"] == "2.69"
    assert rows[1]["plan"] == "bad" and "no offer is left" in rows[1]["error"]


def test_plans_without_a_name_are_told_apart_by_their_line():
    lines = '{"model": "gpt2"}\n\n{"model": "gpt2", "name": "own"}\n{"model": "gpt2"}\n'
    assert [plan.name for plan in parse.plans(lines, "plans.jsonl")] == ["plan 1", "own", "plan 4"]


def test_a_plan_comes_from_standard_input_too(home):
    found = run(home, "quote", "-", *AS_OF, text='name = "x"\n[hardware]\ngpu = "H100-SXM"\nwall_hours = 2\n')
    assert json.loads(found.stdout)["quotes"][0]["usd_total"]["mid"] == "5.38"


def test_the_frontier_is_listed_and_drawn(home, tmp_path):
    drawing = tmp_path / "frontier.svg"
    found = run(home, "quote", "llama-2-7b-qlora", *AS_OF, "--frontier", "--plot", str(drawing))
    assert found.exit_code == 0, found.output
    points = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(points) > 1
    assert drawing.read_text().startswith("<svg") and drawing.read_text().count(
        'aria-roledescription="point"'
    ) == len(points)


WRONG = [
    (("quote", "no-such-preset"), 2, "no preset 'no-such-preset'"),
    (("quote", "missing.toml"), 2, "cannot read missing.toml"),
    (("quote", "-"), 2, "standard input is empty"),
    (("quote", "llama-2-7b-qlora", "--gpu", "H1000"), 2, "unknown GPU 'H1000'"),
    (("quote", "llama-2-7b-qlora", "--budget", "lots"), 2, "--budget: 'lots'"),
    (("quote", "llama-2-7b-qlora", "--as-of", "yesterday"), 2, "--as-of: 'yesterday'"),
    (("quote", "llama-2-7b-qlora", "--provider", "nobody"), 1, "another provider than asked for"),
    (("quote", "deepseek-v3", "--gpu", "RTX3090"), 1, "memory"),
    (("explain", "xyz"), 2, "QUOTE_ID: 'xyz'"),
    (("explain", "0123456789abcdef"), 1, "no quote 0123456789abcdef"),
    (("claims", "prove"), 2, "'prove' is not an action"),
    (("size", "--budget", "0"), 2, "--budget: 0"),
    (("budget", "diff", "llama-2-7b-qlora", "missing.csv"), 2, "ACTUAL: cannot read missing.csv"),
    (("own-or-rent", "--gpus", "8", "--capex-usd", "1"), 2, "give --rent-usd-per-gpu-hour"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_input_gets_one_clear_line(home, arguments, code, message):
    found = run(home, *arguments, text="")
    assert found.exit_code == code, found.output
    assert message in found.stderr
    assert "Traceback" not in found.output and len(found.stderr.strip().splitlines()) == 1


def test_an_estimate_of_named_hardware_is_one_object_and_a_search_is_a_list(home):
    one = json.loads(
        run(home, "estimate", "llama-2-7b-qlora", "--gpu", "h100-sxm-80gb", "--gpus", "1").stdout
    )
    assert (one["gpu_id"], one["gpus"], one["fits"]) == ("h100-sxm-80gb", 1, True)
    rows = [json.loads(line) for line in run(home, "estimate", "llama-2-7b-qlora").stdout.splitlines()]
    assert len(rows) > 10 and all(row["fits"] for row in rows)
    assert [row["gpu_hours"]["mid"] for row in rows] == sorted(row["gpu_hours"]["mid"] for row in rows)


def test_an_estimate_tells_the_largest_micro_batch_and_the_longest_sequence_that_fit(home):
    arguments = ("estimate", "llama-2-7b-qlora", "--gpu", "rtx-4090-24gb", "--gpus", "1")
    found = json.loads(run(home, *arguments, "--limits").stdout)
    assert 1 <= found["largest_micro_batch"] < 100
    assert 2048 < found["longest_sequence"] < 1e6
    assert found["longest_sequence"] % 128 == 0
    assert "longest_sequence" not in json.loads(run(home, *arguments).stdout)


def test_a_measured_run_changes_the_estimate_and_is_cited(home, tmp_path):
    measured = tmp_path / "run.json"
    plan = {
        "name": "ours",
        "model": "llama-2-7b",
        "training_tokens": 1e12,
        "hardware": {"gpu": "h100-sxm-80gb", "gpus": 8},
    }
    measured.write_text(json.dumps(plan | {"measured": {"tokens_per_second": 60_000}}))
    arguments = ("estimate", "llama-2-7b", "--gpu", "h100-sxm-80gb", "--gpus", "8")
    before = json.loads(run(home, *arguments).stdout)
    assert run(home, "calibrate", str(measured)).exit_code == 0
    after = json.loads(run(home, *arguments).stdout)
    (home / "measured.json").unlink()
    assert after["tokens_per_second"] == pytest.approx(60_000, rel=0.01) != before["tokens_per_second"]
    assert any("measured here (ours" in text for text in after["assumptions"])


def test_presets_lint_and_claims_are_lists(home):
    presets = [json.loads(line) for line in run(home, "presets").stdout.splitlines()]
    assert {"llama-2-7b", "llama-2-7b-qlora"} <= {row["name"] for row in presets}
    assert len(run(home, "claims").stdout.splitlines()) == 27
    assert run(home, "lint", "llama-2-7b").exit_code == 0


def test_lint_ends_with_one_on_an_error(home, tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        'model = "llama-2-7b"\ntraining_tokens = 1e9\n[hardware]\ngpu = "RTX4090"\ngpus = 1\nwall_hours = 5\n'
    )
    found = run(home, "lint", str(path))
    assert found.exit_code == 1
    assert any(json.loads(line)["severity"] == "error" for line in found.stdout.splitlines())


def test_decisions_answer_in_money(home, tmp_path):
    rent = json.loads(
        run(
            home,
            "own-or-rent",
            "--gpus",
            "64",
            "--capex-usd",
            "300000",
            "--rent-usd-per-gpu-hour",
            "1.67",
            "--watts-per-gpu",
            "0",
        ).stdout
    )
    assert rent["break_even_months"] == "3.85"
    buy = json.loads(
        run(
            home,
            "build-or-buy",
            "llama-2-7b-qlora",
            "--api-usd-per-1k",
            "0.03",
            "--calls-per-month",
            "100000",
            "--hosting-usd-per-month",
            "1000",
            *AS_OF,
        ).stdout
    )
    assert buy["decision"] == "build" and int(buy["break_even_calls_per_month"]) < 100_000
    sized = json.loads(run(home, "size", "--budget", "5000", *AS_OF).stdout)
    # the cheapest cards train no more than this within 90 days; the next ones cost more than the budget for more
    assert 2000 < float(sized["training_usd"]) <= 5000


def test_budget_diff_ends_with_one_where_a_line_is_over(home, tmp_path):
    plan = plan_file(tmp_path, "p", 'gpu = "H100-SXM"\nwall_hours = 100', "")
    actual = tmp_path / "actual.csv"
    actual.write_text("name,usd\ngpu_time,300\n")
    found = run(home, "budget", "diff", plan, str(actual), *AS_OF)
    rows = {row["name"]: row for row in map(json.loads, found.stdout.splitlines())}
    assert (found.exit_code, rows["gpu_time"]["state"], rows["gpu_time"]["over_percent"]) == (
        1,
        "over",
        "11.5",
    )


def test_a_provider_that_nobody_knows_is_named_with_the_nearest(gpuledger):
    ran = gpuledger("quote", "llama-3-8b-lora", "--provider", "runpd")
    assert ran.code == 1
    assert "no provider 'runpd' here; did you mean runpod?" in ran.err

"""What misled people who tried the program for the first time: each as typed, with the answer that they should get."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.command_line import app

LORA = 'method="lora"\nmodel="llama-3-8b"\n'


@pytest.fixture(autouse=True)
def _wide(today: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def run(home: Path, words: str, text: str | None = None):
    return CliRunner().invoke(app, ["--home", str(home), *words.split()], input=text)


def quoted(home: Path, plan: str, words: str = "") -> dict:
    answer = run(home, f"quote - -n 3 -f json {words}", text=plan)
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    "plan",
    [
        'method="lora"\nmodel="llama-3-8b"\nsamples=5000\ntokens_per_sample=600\n',
        'method="lora"\nmodel="llama-3-8b"\ndataset_tokens="20M"\n',
        'method="lora"\nparameters="7B"\ndataset_tokens="20M"\n',
        'method="LoRA"\nmodel="llama-3-8b"\ndataset_tokens="20M"\n',
        'method="lora"\nmodel="Llama-3-8B"\ndataset_tokens="20M"\n',
        'method="lora"\nmodel="meta-llama/Meta-Llama-3-8B"\ndataset_tokens="20M"\n',
        'method="qlora"\nmodel="llama-3.3-70b"\ndataset_tokens="20M"\n',
        'method="lora"\nmodel="llama-2-13b"\nquantization="8bit"\ndataset_tokens=1e6\n',
        'method="lora"\nmodel="llama-2-13b"\nweights="int8"\ndataset_tokens=1e6\n',
        'method="lora"\nmodel="llama-3-8b"\ndataset_tokens=2e7\n[costs]\negress_gb="2 TB"\n',
    ],
)
def test_what_was_refused_is_read(home, plan):
    assert float(quoted(home, plan)["quotes"][0]["usd_total"]["mid"]) > 0


@pytest.mark.parametrize(
    "words",
    [
        "--provider RunPod",
        "--gpu h100sxm",
        "--gpu nvidia-h100",
        "--gpu H100_SXM",
        "--method LORA",
        "--budget $20",
        "--budget 20USD",
        "--budget 1,250",
        "--deadline 3d",
        "--credit aws=$100",
    ],
)
def test_case_and_vendor_words_do_not_matter(home, words):
    assert run(home, f"quote llama-3-8b-lora -n 1 {words}").exit_code == 0


def test_a_config_may_be_fine_tuned_where_it_lies(home, tmp_path, monkeypatch):
    keys = {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
            "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
            "tie_word_embeddings": True}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(keys))
    monkeypatch.chdir(tmp_path)
    assert run(home, "quote --model config.json --method lora --dataset-tokens 20M -n 1").exit_code == 0


@pytest.mark.parametrize(
    "plan",
    [
        LORA + "dataset_tokens=1e28\n",
        LORA + "dataset_tokens=1e308\n",
        LORA + f"dataset_tokens=0x{'f' * 40}\n",
        LORA + f"dataset_tokens={'9' * 4300}\n",
        LORA + f"dataset_tokens={'9' * 5000}\n",
        LORA + "dataset_tokens=nan\n",
        LORA + "dataset_tokens=-inf\n",
        LORA + "epochs=1e300\ndataset_tokens=1e17\n",
        LORA + "[costs]\npeople_usd=1e300\n",
        LORA + "[hardware]\ngpu_hours=1e300\n",
        LORA + "sequence_length=1e18\n",
        'model="llama-3-8b"\ndataset_tokens=20e6\n',
    ],
)
@pytest.mark.parametrize("words", ["quote -", "quote - --frontier", "estimate -"])
def test_absurd_numbers_are_one_line(home, plan, words):
    answer = run(home, words, text=plan)
    assert answer.exit_code in (1, 2) and isinstance(answer.exception, SystemExit), repr(answer.exception)
    assert len(answer.stderr.strip().splitlines()) == 1 and len(answer.stderr) < 500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("estimate llama-3-70b-lora --gpu rtx-4090-24gb --gpus 1", "does not fit"),
        ("quote llama-3-8b-lora --budget 1 -f table", "budget: fail, 13.48 USD too much"),
        ("quote llama-3-8b-lora --deadline 0.01 -f table", "deadline: fail"),
    ],
)
def test_what_misses_a_limit_exits_1(home, words, said):
    answer = run(home, words)
    assert answer.exit_code == 1 and said in answer.output


def test_what_is_kept_is_said_as_people_say_it(home):
    shown = run(home, "quote llama-3-8b-lora --budget 100 --deadline 3d -f table -n 1").stdout
    assert "budget: pass, 85.52 USD to spare" in shown and "deadline: pass, 2 d 17 h to spare" in shown


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("quote llama-3-8b-lora --over 2026-01-01..2026-11-29 -f table", marks=pytest.mark.deep),
        "presets -f table",
        "quote llama-3-8b-lora -f table",
        "compare llama-3-8b-lora llama-3-8b-qlora -f table",
        "quote llama-3-8b-lora --frontier -f table",
        "drivers llama-3-8b-lora -f table",
    ],
)
def test_tables_have_no_json_no_needless_digits_and_no_jobs_of_0_hours(home, words):
    shown = run(home, words).stdout
    assert not any(
        part in shown for part in ('{"', "000000", "1 GPUs", " 0.0 h", "Too narrow for", "not for training")
    )


def test_an_offer_without_a_place_is_said_where_a_region_is_asked_for(home):
    answer = quoted(home, LORA + 'training_tokens=20e6\n[constraints]\nregions=["eu"]\n')
    assert answer["quotes"][0]["region"] == "global"
    assert any("do not publish their place, which could be outside eu" in text for text in answer["warnings"])
    assert not any("publish their place" in text for text in quoted(home, LORA)["warnings"])


def test_start_up_is_counted_or_said_not_to_be(home):
    without = quoted(home, LORA + "dataset_tokens=1e6\n")["quotes"][0]
    given = quoted(home, LORA + "dataset_tokens=1e6\n[costs]\nstartup_minutes=12\n")["quotes"][0]
    line = {row["name"]: row for row in without["lines"]}["start_up"]
    assert (line["usd"], line["basis"]) == (None, "not given: costs.startup_minutes")
    assert float(given["usd_total"]["mid"]) > float(without["usd_total"]["mid"]) + 0.05
    assert given["wall_hours"]["mid"] > without["wall_hours"]["mid"] + 0.15


def test_half_a_run_is_said_to_be_half(home):
    answer = quoted(home, LORA + "dataset_tokens=2e7\n[costs]\nearly_stop=0.3\n")
    assert "the run ends after 30% of its hours" in answer["quotes"][0]["lines"][0]["basis"]


def test_owning_without_power_assumes_it_and_lists_that(home):
    answer = json.loads(run(home, "own-or-rent --gpus 8 --capex-usd 250000 --gpu H100-SXM").stdout)
    assert answer["power_usd_per_month"] == "919.80" and float(answer["break_even_months"]) > 15.91
    assert [text.partition(":")[0] for text in answer["assumptions"]] == ["watts_per_gpu", "usd_per_kwh"]


def test_the_least_memory_that_would_do_is_shown(home):
    answer = json.loads(run(home, "estimate llama-3-8b-qlora --gpu rtx-4090-24gb --gpus 1 -f json").stdout)
    assert answer["memory_gib"]["least"] <= answer["memory_gib"]["total"]


def test_cheapest_per_hour_is_told_only_where_it_is_an_alternative(home):
    for plan in ("llama-3-8b-lora --reserved --allow-stale", "llama-3-70b --max-gpus 64"):
        shown = run(home, f"quote {plan} -f table -n 1").stdout
        line = next((row for row in shown.splitlines() if row.startswith("Cheapest per hour")), "")
        assert "unused_commitment" not in line and "(+0.00)" not in line

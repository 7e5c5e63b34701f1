"""Bad input: one line with the field and the value seen, the right exit code, never a traceback."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gpuledger.cli import context
from gpuledger.cli.context import EXIT_CODES
from gpuledger.core import errors
from tests.conftest import Answer
from tests.template import start_bundled, this_hour

# arguments -> exit code, what the line must name
BAD: dict[tuple[str, ...], tuple[int, str]] = {
    ("nosuch",): (2, "'nosuch'"),
    ("offers", "extra"): (2, "extra"),
    ("offers", "--nosuch"): (2, "--nosuch"),
    ("offers", "H1000"): (2, "unknown GPU 'H1000'; did you mean h100"),
    ("offers", "H100", "--gpu", "A100"): (2, "'H100' and --gpu 'A100' are two; give one"),
    ("timing", "--gpu-hours", "5"): (2, "name the accelerators, as in H100-SXM"),
    ("offers", "--gpu", "H1000"): (2, "unknown GPU 'H1000'; did you mean h100"),
    ("offers", "--gpu", ""): (2, "empty SPEC ''"),
    ("offers", "--gpu", "H100:8x"): (2, "'8x' is neither a memory"),
    ("offers", "--gpu", "H100:8..1"): (2, "'8..1'"),
    ("offers", "--gpu", "H100:99999999999999999999"): (2, "in 1 to 1000000"),
    ("offers", "--as-of", "yesterday"): (2, "--as-of: 'yesterday'"),
    ("offers", "--as-of", "2026-02-30"): (2, "--as-of: '2026-02-30'"),
    ("offers", "--max-price", "1,59"): (2, "--max-price: '1,59'"),
    ("offers", "--max-price", ""): (2, "--max-price: ''"),
    ("offers", "--max-price", "NaN"): (2, "--max-price: 'NaN'"),
    ("offers", "--limit", "0"): (2, "'--limit' / '-n': 0"),
    ("offers", "--limit", "x"): (2, "'--limit' / '-n': 'x'"),
    ("offers", "--format", "xml"): (2, "'xml' is not one of"),
    ("offers", "--min-gpu-memory", "x"): (2, "'--min-gpu-memory': 'x'"),
    ("offers", "--region", "mars"): (1, "no region, country or continent 'mars' here"),
    ("offers", "--as-of", "1999-01-01"): (1, "no offer matches"),
    ("cheapest",): (2, "SPEC"),
    ("cheapest", "RTX6090"): (2, "unknown GPU 'RTX6090'"),
    ("cheapest", "M2050", "--spot"): (1, "no offer matches"),
    ("history", "H100", "--every", "1y"): (2, "--every: '1y'"),
    ("history", "H100", "--every", "0d"): (2, "--every: '0d'"),
    ("history", "H100", "--every", "1d", "--stat", "max"): (2, "--stat: 'max'"),
    ("history", "H100", "--from", "x"): (2, "--from: 'x'"),
    ("history", "H100", "--from", "2026-03-01", "--to", "2025-03-01"): (
        2,
        "'2026-03-01' is after --to '2025-03-01'",
    ),
    ("history", "H100", "--to", "1999-01-01"): (1, "no price in that time"),
    ("refresh", "runpdo"): (2, "unknown source 'runpdo'; did you mean runpod?"),
    ("refresh", "bundled"): (2, "bundled is a list from disk"),
    ("replay", "runpdo"): (2, "unknown source 'runpdo'"),
    ("replay", "--since", "x"): (2, "--since: 'x'"),
    ("parse", "runpod"): (2, "FILE"),
    ("parse", "runpdo", "x"): (2, "unknown source 'runpdo'"),
    ("parse", "runpod", "/no/such/file"): (2, "cannot read /no/such/file: No such file"),
    ("parse", "runpod", "/"): (2, "cannot read /: Is a directory"),
    ("parse", "runpod", "README.md"): (4, "runpod: not JSON"),
    ("parse", "runpod", "README.md", "--context", "x"): (2, "--context: 'x' is not K=V"),
    ("parse", "runpod", "README.md", "--observed-at", "x"): (2, "--observed-at: 'x'"),
    ("sql",): (2, "QUERY"),
    ("sql", ""): (2, "one statement expected, 0 seen"),
    ("sql", "selec 1"): (2, 'syntax error at or near "selec"'),
    ("sql", "drop table offer"): (2, "only queries are allowed here, not drop"),
    ("sql", "select * from nowhere"): (2, "nowhere does not exist"),
    ("sql", "select 1", "--timeout", "-1"): (2, "--timeout: -1"),
    ("sql", "select 1", "--timeout", "nan"): (2, "--timeout: nan"),
    ("quote",): (2, "PLAN"),
    ("quote", "/no/such.toml"): (2, "cannot read /no/such.toml"),
    ("quote", "no-such-preset"): (2, "'no-such-preset'"),
    ("quote", "llama-2-7b", "--gpu", "H1000"): (2, "unknown GPU 'H1000'"),
    ("quote", "llama-2-7b", "--as-of", "x"): (2, "--as-of: 'x'"),
    ("quote", "llama-2-7b", "--budget", "-5"): (2, "--budget: -5"),
    ("quote", "llama-2-7b", "--max-gpus", "0"): (2, "0 is not in the range"),
    ("estimate", "no-such"): (2, "'no-such'"),
    ("estimate", "llama-2-7b", "--gpu", "H100", "--gpus", "0"): (2, "0 is not in the range"),
    ("lint", "no-such"): (2, "'no-such'"),
    ("explain", "nothing"): (2, "'nothing'"),
    ("--config", "/no/such.toml", "offers"): (2, "no settings file /no/such.toml"),
    ("--config", "README.md", "offers"): (2, "cannot read README.md"),
    ("--home", "/dev/null/home", "offers"): (2, "/dev/null/home"),
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_gets_one_line_and_its_exit_code(gpuledger, arguments: tuple[str, ...], monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    code, named = BAD[arguments]
    ran = gpuledger(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert len(ran.err.splitlines()) == 1
    assert named in ran.err
    if code != 1:
        assert ran.err.startswith("error: ")


PLANS = {
    "not TOML": ("name = ", "plan: syntax: not toml"),
    "an unknown key": (
        'model = "llama-2-7b"\ntraining_tokens = 1e9\nsequence_lenght = 2048',
        "sequence_lenght",
    ),
    "a wrong value": ('model = "llama-2-7b"\ntraining_tokens = 1e9\nmethod = "magic"', "magic"),
    "a negative size": ('model = "llama-2-7b"\ntraining_tokens = -1', "training_tokens"),
    "a text for a number": ('model = "llama-2-7b"\ntraining_tokens = "many"', "training_tokens"),
    "nothing": ("", "plan"),
    "no text": (b"\xff\xfe", "plan.toml"),
}


@pytest.mark.parametrize("command", ["quote", "estimate", "lint"])
@pytest.mark.parametrize("what", PLANS)
def test_a_bad_plan_is_told_by_its_field(gpuledger, tmp_path: Path, command: str, what: str):
    text, named = PLANS[what]
    path = tmp_path / "plan.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = gpuledger(command, str(path))
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert named in ran.err + ran.out


SETTINGS = {
    "[fetch]\nattempts = 0": "fetch.attempts must lie between 1 and 86400, not 0",
    "[fetch]\nverify = false": "unknown setting fetch.verify",
    "[sources.runpdo]\nurl = 'http://127.0.0.1'": "unknown source 'runpdo'; did you mean runpod?",
    "store = 'sqlite'": "unknown store 'sqlite'",
    "[fetch": "cannot read ",
}


@pytest.mark.parametrize("text", SETTINGS)
def test_a_bad_setting_stops_a_refresh(gpuledger, tmp_path: Path, text: str):
    config = tmp_path / "gpuledger.toml"
    config.write_text(text)
    ran = gpuledger("--config", str(config), "--home", str(tmp_path / "home"), "refresh", "runpod")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert SETTINGS[text] in ran.err


def test_a_source_that_cannot_be_reached_exits_with_four_and_names_it(gpuledger, tmp_path: Path, monkeypatch):
    start_bundled(tmp_path, now=this_hour())
    monkeypatch.setenv("GPULEDGER_SOURCE_CRUSOE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GPULEDGER_FETCH_ATTEMPTS", "1")
    ran = gpuledger("--home", str(tmp_path), "refresh", "crusoe", "--format", "json")
    assert ran.code == 4
    assert "error: crusoe: failed: ConnectError" in ran.err
    assert "(https://" in ran.err
    assert '"outcome": "failed"' in ran.out
    status = gpuledger("--home", str(tmp_path), "sql", "select source, outcome, error_kind from scrape_run")
    assert '"crusoe", "outcome": "failed", "error_kind": "TransientFetchError"' in status.out


def test_a_ledger_that_is_broken_is_told_and_not_traced(gpuledger, tmp_path: Path):
    snapshots = tmp_path / "snapshots"
    snapshots.mkdir()
    (snapshots / "CURRENT").write_text("prices-000001.duckdb\n")
    (snapshots / "prices-000001.duckdb").write_bytes(b"not a database" * 1000)
    ran = gpuledger("--home", str(tmp_path), "offers")
    assert ran.code == 2
    assert "prices-000001.duckdb" in ran.err
    assert "Traceback" not in ran.err


def test_stale_data_exits_with_three_when_asked(gpuledger, provider, tmp_path: Path, monkeypatch):
    capture = Path(__file__).resolve().parents[1] / "captures" / "runpod" / "prices.json"
    provider.always(capture.read_bytes())
    monkeypatch.setenv("GPULEDGER_HOME", str(start_bundled(tmp_path, now=this_hour())))
    monkeypatch.setenv("GPULEDGER_SOURCE_RUNPOD_URL", provider.url)
    assert gpuledger("refresh", "runpod").code == 0
    ran = gpuledger("status", "--exit-code", "--format", "json")
    assert [row["state"] for row in json.loads(ran.out) if row["source"] == "runpod"] == ["fresh"]
    # the sources that never delivered are the stalest of all
    assert ran.code == 3
    later = context.now() + timedelta(days=10)
    monkeypatch.setattr(context, "now", lambda: later)
    assert gpuledger("status").code == 0
    ran = gpuledger("status", "--exit-code", "--format", "json")
    assert ran.code == 3
    assert [row["state"] for row in json.loads(ran.out) if row["source"] == "runpod"] == ["stale"]


CODES = {
    errors.ConfigError("x"): 2,
    errors.UsageError("x"): 2,
    errors.InvalidPlanError("x", "y"): 2,
    errors.UnknownGPUError("x"): 2,
    errors.DoesNotFitError("x"): 1,
    errors.NoOfferError("x"): 1,
    errors.EmptyLedgerError("x"): 1,
    errors.MissingCredentialError("x", ["Y"]): 4,
    errors.TransientFetchError("x", "y", "z"): 4,
    errors.RefusedFetchError("x", "y", "z"): 4,
    errors.ParseError("x", "y", "z"): 4,
    errors.ContractError("x", "y", ["z"]): 4,
    errors.StoreBusyError("x"): 2,
    errors.CorruptError("x"): 2,
    errors.MigrationError("x"): 2,
}


@pytest.mark.parametrize("error", CODES, ids=lambda error: type(error).__name__)
def test_each_class_of_error_has_its_exit_code(error: errors.GPULedgerError):
    assert next(code for kind, code in EXIT_CODES if isinstance(error, kind)) == CODES[error]


def test_a_message_names_source_and_address():
    assert (
        str(errors.ParseError("runpod", "https://a.example", "no rows"))
        == "runpod: no rows (https://a.example)"
    )


@pytest.mark.parametrize("command", [["offers"], ["cheapest", "H100"]], ids=["offers", "cheapest"])
def test_a_provider_that_nobody_knows_is_named_with_the_nearest(gpuledger, command: list[str]):
    ran = gpuledger(*command, "--provider", "runpodd")
    assert (ran.code, ran.out, ran.err) == (1, "", "no provider 'runpodd' here; did you mean runpod?\n")


@pytest.mark.parametrize(
    ("region", "nearest"),
    [
        ("us-east-11", "did you mean us-east-1"),
        ("Virginia", "did you mean us"),
        ("antarctica", "no region, country or continent"),
        ("zzzzzzzz", "`gpuledger regions` lists them"),
    ],
)
def test_a_region_that_nobody_knows_is_named_with_the_nearest(gpuledger, region: str, nearest: str):
    ran = gpuledger("offers", "--region", region)
    line = next(line for line in ran.err.splitlines() if "no region" in line)
    assert ran.code == 1 and ran.out == ""
    assert f"no region, country or continent {region!r} here" in line and nearest in line


def test_of_several_names_one_that_nobody_knows_is_told_beside_the_answer(gpuledger):
    ran = gpuledger(
        "offers", "--region", "us", "--region", "zzzzzzzz", "--provider", "aws", "--provider", "awz"
    )
    assert ran.code == 0 and ran.out
    assert "no provider 'awz' here; did you mean aws?" in ran.err and "'zzzzzzzz' here" in ran.err
    ran = gpuledger(
        "quote", "llama-3-8b-lora", "--provider", "runpod", "--provider", "lamda", "-n", "1", "-f", "json"
    )
    assert (
        ran.code == 0 and "no provider 'lamda' here; did you mean lambda?" in json.loads(ran.out)["warnings"]
    )


def test_a_command_that_is_none_is_named_with_the_nearest_once(gpuledger):
    ran = gpuledger("qoute")
    assert ran.code == 2
    assert ran.err.count("Did you mean") == 1


def test_a_second_try_is_no_line_of_its_own(provider, tmp_path):
    provider.answer = lambda seen: Answer(503)
    environ = {
        "PATH": os.environ["PATH"],
        "GPULEDGER_HOME": str(start_bundled(tmp_path, now=this_hour())),
        "GPULEDGER_BUNDLED_HISTORY": "off",
        "GPULEDGER_SOURCE_COREWEAVE_URL": provider.url,
        "GPULEDGER_FETCH_ATTEMPTS": "2",
        "GPULEDGER_FETCH_WAIT_SECONDS": "0",
    }
    program = [sys.executable, "-c", "from gpuledger.cli.main import run; run()", "refresh", "coreweave"]
    ran = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 4
    assert [seen.path for seen in provider.seen].count("/pricing") == 2
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == ["error", "published snapshot 2"]

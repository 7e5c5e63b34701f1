"""The command itself: `gpuledger refresh` killed as a process, and what `audit` and `compact` exit with."""

import json
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gpuledger.core.store.home import Home
from gpuledger.flows.pipeline import LedgerWriter
from gpuledger.scrapers.archives.registry import EVERY_SOURCE
from tests.command_line import app
from tests.faults.hostile import HostileProvider, plain
from tests.faults.soundness import (
    assert_archive_recorded,
    assert_nothing_lost,
    assert_replay_agrees,
    committed,
)
from tests.template import start_bundled, this_hour

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "tests" / "captures" / "runpod" / "prices.json"
COMMAND = str(ROOT / ".venv" / "bin" / "gpuledger")
KILLS = 30


@pytest.fixture
def ledger(tmp_path):
    return LedgerWriter(home=Home(tmp_path / "home"), sources=EVERY_SOURCE, clock=lambda: datetime.now(UTC))


@pytest.mark.faults
@pytest.mark.skipif(not Path(COMMAND).exists(), reason="the command is not installed beside the tests")
def test_the_command_killed_at_random_loses_nothing(ledger, hostile, tally):
    hostile.always(plain(CAPTURE.read_bytes()))
    environ = os.environ | {
        "GPULEDGER_HOME": str(ledger.home.path),
        "GPULEDGER_SOURCE_RUNPOD_URL": hostile.url,
        "GPULEDGER_FETCH_ATTEMPTS": "1",
    }
    command = [COMMAND, "refresh", "runpod", "--format", "jsonl"]
    started = time.monotonic()
    subprocess.run(command, env=environ, capture_output=True, check=False)
    seconds = time.monotonic() - started
    known, chance, killed = committed(ledger), random.Random(30), 0
    while killed < KILLS:
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            time.sleep(chance.uniform(0.3, 1.0) * seconds)
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        after = committed(ledger)
        assert_nothing_lost(known, after)
        known = after
    subprocess.run(command, env=environ, capture_output=True, check=False)
    after = committed(ledger)
    assert_nothing_lost(known, after)
    assert_archive_recorded(ledger, after)
    assert_replay_agrees(ledger)
    tally.kills("the command `gpuledger refresh`, at random", killed)


@pytest.fixture
def hostile():
    server = HostileProvider()
    yield server
    server.close()


def invoke(ledger: LedgerWriter, *arguments: str):
    return CliRunner().invoke(app, ["--home", str(ledger.home.path), *arguments])


def test_an_audit_of_a_fresh_ledger_says_that_no_source_ever_delivered(ledger):
    start_bundled(ledger.home.path, now=this_hour())
    ended = invoke(ledger, "audit", "--archive", "--format", "jsonl")
    assert ended.exit_code == 3
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {row["kind"] for row in found} == {"source", "check", "archive"}


def test_an_audit_that_finds_broken_bytes_exits_with_two_and_names_them(ledger):
    start_bundled(ledger.home.path, now=this_hour())
    (victim,) = ledger.home.archive.glob("[0-9a-f][0-9a-f]/*.zst")
    victim.write_bytes(b"")
    ended = invoke(ledger, "audit", "--archive", "--format", "jsonl")
    assert ended.exit_code == 2
    assert victim.stem[:12] in ended.stderr


def test_a_compaction_says_what_it_let_go(ledger):
    start_bundled(ledger.home.path, now=this_hour())
    ended = invoke(ledger, "compact", "--keep-snapshots", "1", "--format", "json")
    assert ended.exit_code == 0
    gone = {"snapshots": 0, "left_overs": 0, "documents": 0, "quotes": 0, "bytes": 0}
    assert json.loads(ended.stdout) == gone | {"merged_files": 0}


def test_a_retention_too_short_is_a_usage_error(ledger):
    assert invoke(ledger, "compact", "--keep-documents-days", "7").exit_code == 2

"""Pollers that are processes: told to end, and killed between the archive and the ledger."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gpuledger.core.store.home import Home
from gpuledger.core.store.leases import Leases
from gpuledger.core.store.publish import reading
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import record_runs
from gpuledger.flows.polling.note import poller_notes
from tests.polling.conftest import PATIENCE_SECONDS, now
from tests.polling.markets import Markets, markets
from tests.polling.test_poller import most_in_one_interval, recorded, runs_of

pytestmark = pytest.mark.recovery

ROOT = Path(__file__).resolve().parents[2]


def started(trial, **more: object) -> subprocess.Popen:
    order = {
        "home": str(trial.ledger.home.path),
        "url": trial.markets.url,
        "count": len(trial.ledger.sources),
        "every_seconds": 1,
        "tick_seconds": 0.5,
        "lease_seconds": 3,
        **more,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.polling.worker", json.dumps(order)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"began\n"
    return process


def wait_for(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(process: subprocess.Popen) -> dict:
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    with process:
        return json.loads(process.stdout.read())


def test_a_poller_that_is_told_to_end_leaves_nothing_half_done(trial):
    process = started(trial)
    wait_for(lambda: len(runs_of(trial)) >= 8)
    assert [note.holder.partition("#")[2] != "" for note in poller_notes(trial.ledger.home)] == [True]
    done = ended(process)
    assert process.returncode == 0
    assert done["reads"] == len(runs_of(trial))
    assert recorded(trial) == runs_of(trial)
    assert Leases(home=trial.ledger.home, clock=now).living() == {}
    assert poller_notes(trial.ledger.home) == []


def test_a_poller_that_is_told_to_end_does_not_wait_for_a_provider(trial):
    import threading

    trial.markets.delay = threading.Event()
    process = started(trial)
    wait_for(lambda: trial.markets.reads == {} and process.poll() is None)
    time.sleep(1.5)
    assert ended(process)["runs"] == 0
    assert runs_of(trial) == []


def test_a_poller_that_is_killed_before_it_records_loses_and_doubles_nothing(trial):
    process = started(trial, dies_before_recording=True)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == -signal.SIGKILL
    left = runs_of(trial)
    assert left
    process = started(trial)
    # by its lease nobody reads its sources yet; then it lapses
    wait_for(lambda: len(runs_of(trial)) >= len(left) + 4)
    ended(process)
    assert recorded(trial) == runs_of(trial)
    assert most_in_one_interval(trial, timedelta(seconds=1)) == 1


def test_kills_at_any_moment(trial):
    for seconds in (0.0, 0.2, 0.5, 0.9, 1.4):
        process = started(trial)
        time.sleep(seconds)
        process.kill()
        process.communicate()
    process = started(trial)
    before = len(runs_of(trial))
    wait_for(lambda: len(runs_of(trial)) >= before + 4)
    ended(process)
    assert recorded(trial) == runs_of(trial)
    assert most_in_one_interval(trial, timedelta(seconds=1)) == 1
    assert record_runs(trial.ledger, []).runs == ()


def test_two_hundred_sources(tmp_path: Path):
    sources = markets(200, timedelta(seconds=10))
    ledger = LedgerWriter(home=Home(tmp_path / "home"), sources=sources, clock=now)
    server = Markets(moves=0.2, offers=2)
    order = {
        "home": str(ledger.home.path),
        "url": server.url,
        "count": 200,
        "every_seconds": 10,
        "tick_seconds": 5,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.polling.worker", json.dumps(order)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"began\n"
    wait_for(lambda: len(server.reads) == 200)
    done = ended(process)
    server.close()
    runs = ledger.archive.run_ids(None)
    assert done["reads"] == len(runs)
    # on a machine that is too busy the last ones wait in the archive
    record_runs(ledger, [], sources=[source.name for source in sources])
    with reading(ledger.home) as connection:
        rows = connection.execute("select run_id from scrape_run order by run_id").fetchall()
    assert [run for (run,) in rows] == runs

"""200 markets read every minute by one poller: how late, at what share of two cores, in how much memory.

`GPULEDGER_POLLING_MINUTES` says for how long (`make polling`: the bar's hour; unless told otherwise 2), and
`GPULEDGER_POLLING_MOVES` at how many of the reads a price has moved (0.3). The markets are a process of their own,
whose time does not count.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import pytest

from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from tests.polling.markets import Markets

pytestmark = pytest.mark.benchmark_suite

MINUTES = float(os.environ.get("GPULEDGER_POLLING_MINUTES", "2"))
MOVES = float(os.environ.get("GPULEDGER_POLLING_MOVES", "0.3"))
COUNT = 200
EVERY_SECONDS = 60
ROOT = Path(__file__).resolve().parents[2]


def serve(moves: float, address: object) -> None:
    address.send(Markets(moves=moves).url)
    Event().wait()


@pytest.fixture
def url():
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(MOVES, theirs), daemon=True)
    server.start()
    yield ours.recv()
    server.terminate()


def test_two_hundred_sources_at_one_minute(tmp_path: Path, url: str):
    order = {"home": str(tmp_path / "home"), "url": url, "count": COUNT, "every_seconds": EVERY_SECONDS}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.polling.worker", json.dumps(order)], stdout=subprocess.PIPE, cwd=ROOT
    ) as poller:
        assert poller.stdout is not None
        assert poller.stdout.readline() == b"began\n"
        time.sleep(MINUTES * 60)
        told_at = time.monotonic()
        poller.send_signal(signal.SIGTERM)
        done = json.loads(poller.stdout.read())
        ended = time.monotonic() - told_at
    share = done["cpu_seconds"] / done["seconds"] / 2
    sys.stdout.write(
        f"\n{COUNT} sources every {EVERY_SECONDS} s for {MINUTES:g} min, prices moved at {MOVES:.0%} of the reads:"
        f" {done['reads']} reads, {done['missed']} missed, the latest began {done['latest_seconds']:.2f} s after its"
        f" time; {share:.1%} of two cores; {done['rss_mib']:.0f} MiB; {done['snapshots']} snapshots; ended in"
        f" {ended:.1f} s\n"
    )
    with reading(Home(tmp_path / "home")) as connection:
        recorded = connection.execute("select count(*), count(distinct run_id) from scrape_run").fetchall()
    assert recorded == [(done["reads"], done["reads"])]
    assert done["missed"] == 0
    assert done["latest_seconds"] < EVERY_SECONDS
    assert share < 0.5

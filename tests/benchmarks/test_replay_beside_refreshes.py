"""Many thousands of runs replayed while refreshes of another process go on: how long it takes, and how long the
refreshes wait.

`GPULEDGER_REPLAY_RUNS` says how many runs the archive has: unless told otherwise 1,000; the bar is 62,800, some seven
months of the sources that are recorded. A refresh is timed from its first request to its snapshot, before the replay
and beside it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import refresh_sources
from gpuledger.flows.replay import replay
from gpuledger.scrapers.http.fetch import Fetcher
from tests.benchmarks.many_runs import sources, write_archive
from tests.faults import market
from tests.faults.hostile import HostileProvider, plain

pytestmark = pytest.mark.benchmark_suite

RUNS = int(os.environ.get("GPULEDGER_REPLAY_RUNS", "1000"))
BESIDE = "beside"
ROOT = Path(__file__).resolve().parents[2]


def ledger_of(folder: str) -> LedgerWriter:
    return LedgerWriter(
        home=Home(Path(folder)),
        sources=(*sources(), market.source(BESIDE)),
        clock=lambda: datetime.now(UTC),
    )


def refresh_until_told(folder: str) -> None:
    """What the process beside does: refresh every half second, and say how long each took, until input ends."""
    ledger = ledger_of(folder)
    provider = HostileProvider()
    answers = iter(range(1, 1_000_000))
    provider.behave = lambda connection, path, headers, over: connection.sendall(
        plain(market.listing(next(answers)))
    )
    told = Event()
    Thread(target=lambda: (sys.stdin.read(), told.set()), daemon=True).start()
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=1, wait_seconds=0, timeout_seconds=30),
            environ={},
            urls={BESIDE: f"{provider.url}/{BESIDE}"},
            clock=ledger.clock,
        )
        while not told.wait(0.5):
            started = time.perf_counter()
            (run,) = refresh_sources(ledger, (ledger.sources[-1],), fetcher).runs
            said = {"seconds": time.perf_counter() - started, "outcome": run.outcome}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()


def test_many_runs_are_replayed_while_refreshes_go_on(tmp_path: Path):
    folder = str(tmp_path / "home")
    ledger = ledger_of(folder)
    ledger.home.create()
    write_archive(ledger.archive, RUNS)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.test_replay_beside_refreshes", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as beside:
        assert beside.stdin is not None and beside.stdout is not None
        before = [json.loads(beside.stdout.readline()) for _ in range(4)][1:]
        started, worked = time.perf_counter(), time.process_time()
        report = replay(ledger)
        took, work = time.perf_counter() - started, time.process_time() - worked
        beside.stdin.close()
        during = [json.loads(line) for line in beside.stdout]
    waits = [one["seconds"] for one in during]
    with reading(ledger.home) as connection:
        runs, changes = connection.execute(
            "select (select count(*) from scrape_run), (select count(*) from price_change)"
        ).fetchone()
    sys.stdout.write(
        f"\n{report.runs} runs, {changes} changes, replayed in {took:.1f} s, {work:.1f} s of processor time"
        f" ({work / report.runs * 1000:.1f} ms a run); {len(during)} refreshes meanwhile took"
        f" {statistics.median(waits):.2f} s in the middle and {max(waits):.2f} s at most"
        f" ({statistics.median(one['seconds'] for one in before):.2f} s before)\n"
    )
    assert {one["outcome"] for one in (*before, *during)} == {"accepted"}
    assert runs == RUNS + 4 + len(during)


if __name__ == "__main__":
    refresh_until_told(sys.argv[1])

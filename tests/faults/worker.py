"""A machine of a fleet: refreshes its sources again and again, and says how each refresh ended.

Its order is one JSON object on standard input; for each refresh it writes a line of JSON, and it ends when its time
is over, or at the step at which it is told to die.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

from gpuledger.core.config import FetchSettings, lake_address
from gpuledger.core.errors import GPULedgerError
from gpuledger.core.store.catalogue import Turn
from gpuledger.core.store.home import Home
from gpuledger.core.store.shared import follow
from gpuledger.flows.pipeline import LedgerWriter, refresh_sources
from gpuledger.scrapers.http.fetch import Fetcher
from tests.faults.market import source
from tests.faults.victim import Steps


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_the_commit() -> None:
    """All rows are in the lake's transaction, and it never ends."""
    Turn.check = die


def die_after_the_commit() -> None:
    """The run is in the lake and not in this machine's own database."""
    append = follow._append

    def then_die(*given: object) -> None:
        append(*given)
        die()

    follow._append = then_die


DEATHS = {"before the commit": die_before_the_commit, "after the commit": die_after_the_commit}


def main() -> None:
    order = json.loads(sys.stdin.readline())
    ledger = LedgerWriter(
        home=Home(Path(order["home"]), lake=lake_address(order["store"])),
        sources=tuple(source(name) for name in order["all_sources"]),
        clock=lambda: datetime.now(UTC),
    )
    if order["death"]:
        DEATHS[order["death"]]()
    if order["kill_at"]:
        steps = Steps(order["kill_at"], os.open(os.devnull, os.O_WRONLY))
        threading.setprofile(steps)
        sys.setprofile(steps)
    chance, until = random.Random(order["seed"]), time.monotonic() + order["seconds"]
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=2, wait_seconds=0, timeout_seconds=30),
            environ={},
            urls={name: f"{order['url']}/{name}" for name in order["all_sources"]},
            clock=ledger.clock,
        )
        while time.monotonic() < until:
            chosen = ledger.source(chance.choice(order["sources"]))
            try:
                runs = [
                    (run.source, run.outcome, run.error)
                    for run in refresh_sources(ledger, (chosen,), fetcher).runs
                ]
                said = {"runs": runs}
            except GPULedgerError as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
            time.sleep(order["pause_seconds"])


if __name__ == "__main__":
    main()

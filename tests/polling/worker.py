"""A poller as a process of its own, to be stopped, killed and measured: `python -m tests.polling.worker ORDER`, where
ORDER is JSON with `home`, `url`, `count`, `every_seconds` and what else `main` takes. On SIGTERM it ends; its last line
on standard output is JSON with what it did."""

import asyncio
import json
import os
import resource
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from gpuledger.core.config import FetchSettings
from gpuledger.core.store.home import Home
from gpuledger.core.store.sql import say_that_pandas_is_missing
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.polling.poller import Poller
from gpuledger.flows.polling.recorder import Recorder
from gpuledger.scrapers.http.fetch_async import AsyncFetcher
from tests.polling.markets import markets


def now() -> datetime:
    return datetime.now(UTC)


class CountingRecorder(Recorder):
    """Counts runs and snapshots, and may die before the first is recorded."""

    runs = 0
    snapshots = 0
    dies = False

    def record(self, manifests, held, *, is_last=False):  # type: ignore[no-untyped-def]
        if self.dies and manifests:
            os.kill(os.getpid(), signal.SIGKILL)
        cycle = super().record(manifests, held, is_last=is_last)
        if cycle is not None:
            self.runs += len(cycle.runs)
            self.snapshots += cycle.snapshot is not None
        return cycle


async def work(order: dict) -> dict:
    sources = markets(order["count"], timedelta(seconds=order["every_seconds"]))
    ledger = LedgerWriter(home=Home(Path(order["home"])), sources=sources, clock=now)
    recorder = CountingRecorder(ledger)
    recorder.dies = order.get("dies_before_recording", False)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
        poller = Poller(
            ledger=ledger,
            sources=sources,
            fetcher=AsyncFetcher(
                client=client,
                settings=FetchSettings(attempts=1, timeout_seconds=10),
                environ={},
                urls={source.name: order["url"] for source in sources},
                clock=now,
            ),
            recorder=recorder,
            tick_seconds=order.get("tick_seconds", 15),
            lease=timedelta(seconds=order.get("lease_seconds", 90)),
        )
        began, used = time.monotonic(), time.process_time()
        sys.stdout.write("began\n")
        sys.stdout.flush()
        await poller.run(stop)
    seconds = time.monotonic() - began
    paces = poller.paces.values()
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - used,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "reads": sum(pace.reads for pace in paces),
        "missed": sum(pace.missed for pace in paces),
        "latest_seconds": max(pace.latest.total_seconds() for pace in paces),
        "runs": recorder.runs,
        "snapshots": recorder.snapshots,
    }


def main() -> None:
    say_that_pandas_is_missing()
    sys.stdout.write(json.dumps(asyncio.run(work(json.loads(sys.argv[1])))) + "\n")


if __name__ == "__main__":
    main()

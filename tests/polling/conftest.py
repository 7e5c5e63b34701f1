"""A poller in the test's own process, on real time, ended when what a test waits for has come."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.ledger import CycleReport, LedgerWriter
from gpuledger.flows.pipeline import source_row
from gpuledger.flows.polling.poller import Poller
from gpuledger.flows.polling.recorder import Recorder
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.http.fetch_async import AsyncFetcher
from gpuledger.scrapers.source import Source
from tests.polling.markets import Markets, markets
from tests.template import start_migrated

SETTINGS = FetchSettings(attempts=1, timeout_seconds=10)
PATIENCE_SECONDS = 60.0
EVERY = timedelta(seconds=0.5)
"""Tests wait for a few intervals."""


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Trial:
    """A home, markets, and pollers of it."""

    ledger: LedgerWriter
    markets: Markets
    cycles: list[CycleReport] = field(default_factory=list)
    clock: Callable[[], datetime] = now

    def poller(self, sources: tuple[Source, ...] | None = None, **more: object) -> Poller:
        ledger = LedgerWriter(home=self.ledger.home, sources=self.ledger.sources, clock=self.clock)
        fetcher = AsyncFetcher(
            client=httpx.AsyncClient(trust_env=False),
            settings=SETTINGS,
            environ={},
            urls=self.markets.urls(self.ledger.sources),
            clock=self.clock,
        )
        return Poller(
            ledger=ledger,
            sources=sources or self.ledger.sources,
            fetcher=fetcher,
            recorder=Recorder(ledger, self.cycles.append),
            **{"tick_seconds": 0.15} | more,
        )

    def poll_until(self, is_enough: Callable[[], bool], *pollers: Poller) -> None:
        """Run them together until it is true, then end them."""

        async def work() -> None:
            stop = asyncio.Event()
            running = [asyncio.create_task(poller.run(stop)) for poller in pollers]
            deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
            while not is_enough() and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.01)
            stop.set()
            await asyncio.gather(*running)
            assert is_enough()

        asyncio.run(work())

    def fetcher(self, client: httpx.Client) -> Fetcher:
        return Fetcher(
            client=client,
            settings=SETTINGS,
            environ={},
            urls=self.markets.urls(self.ledger.sources),
            clock=self.clock,
        )

    def rows(self, query: str) -> list[tuple]:
        with reading(self.ledger.home) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def trial(home: Home) -> Iterator[Trial]:
    sources = markets(4, EVERY)
    ledger = LedgerWriter(home=home, sources=sources, clock=now)
    start_migrated(home, [source_row(source) for source in sources], ledger.alias_rows())
    server = Markets(offers=2)
    yield Trial(ledger, server)
    server.close()

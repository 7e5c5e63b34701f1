"""A ledger with one source on loopback, small enough to write its answers by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer, Skipped
from gpuledger.core.store.home import Home
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import reading
from gpuledger.flows.pipeline import CycleReport, LedgerWriter, refresh_sources, source_row
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.source import Source
from tests.template import start_migrated


def parse(document: Document) -> Iterator[Fact]:
    for row in document.json()["offers"]:
        if not row["usd"]:
            yield Skipped("no price", row)
            continue
        yield Offer(
            provider="runpod",
            sku=row["sku"],
            gpu_label="NVIDIA H100 80GB HBM3",
            gpu_count=Decimal(1),
            purchase_option="on_demand",
            price=Price(amount=Decimal(str(row["usd"])), unit=Unit.GPU_HOUR),
            availability=Availability(row.get("stock", "available")),
        )


SOURCE = Source(
    name="runpod",
    provider="runpod",
    homepage="https://prices.example/",
    every=timedelta(hours=1),
    fresh_for=timedelta(hours=3),
    requests=(Request(url="https://prices.example/list"),),
    parse=parse,
    contract=Contract(min_offers=2, must_have=("h100",)),
    covers="a test",
    licence="none",
    seconds_between_requests=0,
)


def listing(**usd: object) -> bytes:
    """An answer of the provider: sku=price, or sku=(price, stock)."""
    rows = [
        {"sku": sku, "usd": price[0], "stock": price[1]}
        if isinstance(price, tuple)
        else {"sku": sku, "usd": price}
        for sku, price in usd.items()
    ]
    return json.dumps({"offers": rows}).encode()


@dataclass
class World:
    ledger: LedgerWriter
    fetcher: Fetcher
    provider: object
    clock: object

    def refresh(self, body: bytes | None = None, **more: object) -> CycleReport:
        """One hour later, the provider answers with this body."""
        self.clock.forward(hours=1)
        if body is not None:
            self.provider.always(body, **more)
        return refresh_sources(self.ledger, self.ledger.sources, self.fetcher)

    def prices(self, as_of=None) -> dict[str, str]:
        with reading(self.ledger.home) as connection:
            found = offers(connection, OfferQuery(), as_of=as_of)
        return {offer.sku: format(offer.usd_per_hour.normalize(), "f") for offer in found}

    def rows(self, query: str) -> list[tuple]:
        with reading(self.ledger.home) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def world(home: Home, clock, provider) -> Iterator[World]:
    ledger = LedgerWriter(home=home, sources=(SOURCE,), clock=clock)
    start_migrated(home, [source_row(SOURCE)], ledger.alias_rows())
    with httpx.Client(verify=False) as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=2, wait_seconds=0, timeout_seconds=5),
            environ={},
            urls={"runpod": provider.url},
            clock=clock,
        )
        yield World(ledger, fetcher, provider, clock)


@pytest.fixture(name="listing")
def _listing():
    return listing

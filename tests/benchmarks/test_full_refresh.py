"""A refresh of all keyless sources takes hardly longer than the slowest of them alone.

One server on loopback per source serves the captures (with `GPULEDGER_RECORDED` the recorded answers where
they are of the same kind), each 200 ms after it is asked. Lists that lead to many requests are made as long
as the real ones: every AWS region has its map and bulk lists. Politeness is kept per host, which the servers
check.
"""

import json
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.provider import region_codes
from gpuledger.core.store.home import Home
from gpuledger.flows.pipeline import CycleReport, LedgerWriter, refresh_sources
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.registry import SOURCES
from gpuledger.scrapers.source import Source
from tests.conftest import Answer, Provider
from tests.sources.recorded import ANSWERS, RECORDED
from tools.captures import captures, read_capture

pytestmark = pytest.mark.benchmark_suite

LATENCY_SECONDS = 0.2
MOST_TIMES_THE_SLOWEST = 1.5
CAPTURES = Path(__file__).resolve().parents[1] / "captures"

KEYLESS = [
    replace(source, contract=replace(source.contract, min_offers=0, must_have=()))
    for source in SOURCES
    if source.requests and any(request.credential is None for request in source.requests)
]
"""Captures have few rows and repeat those of one region; they are recorded all the same."""

IN_PLACE_OF = {
    "hyperstack/gpu_pricing_2026-10.html": "gpu-pricing.html",
    "linode/types.json": "types.json",
    "oci/products_usd_2024.json": "prices.json",
    "runpod/graphql_gpuTypes_2026-07-18.json": "prices.json",
    "scaleway/products_servers_fr-par-1_2025-11-12.json": "servers-fr-par-2.json",
    "vastai/bundles_2026-07-18.json": "bundles.json",
    "aws/spot_js_us-east_gpu.json": "spot.json",
    "aws/spot_advisor_2021-02-10.json": "spot-advisor-data.json",
    "nebius/prices_2026-09.html": "prices.html",
    "crusoe/cloud_pricing_2026-10.html": "pricing.html",
    "vultr/plans_raw_2026-04-01.json": "plans-metal.json",
}
"""Recorded answers and the captures of the same address."""


@dataclass
class Market:
    """A source with its own server and the times at which each of its hosts was asked."""

    source: Source
    provider: Provider
    asked: list[tuple[str, float]] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in captures(CAPTURES / self.source.name):
            document = read_capture(self.source.name, path)
            parts = urlsplit(document.request.url)
            self.hosts[parts.path] = parts.netloc
            self.bodies.setdefault(parts.path, self._body(path))
        for request in (*self.source.requests, *self.source.fallback):
            self.hosts[urlsplit(request.url).path] = urlsplit(request.url).netloc
        self.provider.answer = self._answer

    def _body(self, path: Path) -> bytes:
        for entry in ANSWERS if RECORDED else ():
            if (entry.source, IN_PLACE_OF.get(entry.path)) == (self.source.name, path.name):
                return entry.document.body
        return path.read_bytes()

    def _answer(self, seen) -> Answer:
        path = urlsplit(seen.path).path
        first = self.source.requests[0].url
        self.asked.append((self.hosts.get(path, urlsplit(first).netloc), time.monotonic()))
        time.sleep(LATENCY_SECONDS)
        body = LISTS.get(path) or self.bodies.get(path)
        if body is None and "/ec2-ondemand-without-sec-sel/" in path:
            place = unquote(path.split("/")[-3])
            body = self._first("us-east-1.json").replace(b"US East (N. Virginia)", place.encode())
        if body is None and path.endswith("index.csv"):
            kind = "savings-us-east-1.csv" if "savingsPlan" in path else "ec2-us-east-1.csv"
            body = self._first(kind).replace(b"us-east-1", path.split("/")[-2].encode())
        if body is None:
            body = next(iter(self.bodies.values()))
        if self.source.name == "azure_retail" and "skip=" in seen.path:
            body = b'{"Items": [], "NextPageLink": null}'
        return Answer(body=body)

    def _first(self, name: str) -> bytes:
        return (CAPTURES / self.source.name / name).read_bytes()


def every_region(path: str) -> bytes:
    version = path.replace("current/region_index.json", "20260910195514")
    return json.dumps(
        {
            "regions": {
                code: {"regionCode": code, "currentVersionUrl": f"{version}/{code}/index.json"}
                for code in region_codes("aws")
            }
        }
    ).encode()


LOCATIONS = "/locations/1.0/aws/current/locations.json"
INDEXES = ["/offers/v1.0/aws/AmazonEC2/current/region_index.json"]
INDEXES.append("/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json")
LISTS = {
    **{path: every_region(path) for path in INDEXES},
    LOCATIONS: json.dumps(
        {code: {"name": code, "code": code, "type": "AWS Region"} for code in region_codes("aws")}
    ).encode(),
}
"""Answers that lead to a request for each region, as long as they really are."""


def timed(markets: list[Market], home: Path) -> tuple[float, CycleReport]:
    """Seconds of one refresh, from the first request to the published snapshot."""
    for market in markets:
        market.asked.clear()
    sources = tuple(market.source for market in markets)

    def clock() -> datetime:
        return datetime.now(UTC)

    limits = httpx.Limits(max_connections=200)
    with httpx.Client(trust_env=False, limits=limits) as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=1),
            environ={},
            urls={market.source.name: market.provider.url for market in markets},
            clock=clock,
        )
        started = time.perf_counter()
        cycle = refresh_sources(LedgerWriter(home=Home(home), sources=sources, clock=clock), sources, fetcher)
        return time.perf_counter() - started, cycle


def gaps(market: Market) -> list[float]:
    """Seconds between one request and the next to the same host."""
    by_host: dict[str, list[float]] = {}
    for host, at in market.asked:
        by_host.setdefault(host, []).append(at)
    return [later - one for times in by_host.values() for one, later in pairwise(times)]


def test_all_sources_at_once_take_hardly_longer_than_the_slowest_alone(tmp_path: Path):
    markets = [Market(source, Provider()) for source in KEYLESS]
    assert len(markets) >= 18
    alone: dict[str, float] = {}
    requests: dict[str, int] = {}
    for market in markets:
        name = market.source.name
        alone[name], cycle = timed([market], tmp_path / name)
        requests[name] = len(market.asked)
        assert [run.outcome for run in cycle.runs] != ["failed"], cycle.runs
    together, cycle = timed(markets, tmp_path / "all")
    slowest = max(alone.values())
    write = sys.stdout.write
    write(f"\n{'source':16} {'requests':>8} {'alone s':>8} {'s between':>9}\n")
    for market in sorted(markets, key=lambda market: -alone[market.source.name]):
        name = market.source.name
        polite = market.source.seconds_between_requests
        write(f"{name:16} {requests[name]:8} {alone[name]:8.1f} {polite:9.1f}\n")
    write(f"all {len(markets)} at once: {together:.1f} s, {together / slowest:.2f} times the slowest alone\n")
    for market in markets:
        market.provider.close()
    assert together <= MOST_TIMES_THE_SLOWEST * slowest
    assert {run.source for run in cycle.runs} >= {market.source.name for market in markets}


def test_no_host_is_asked_faster_than_its_source_says(tmp_path: Path):
    several = {"aws_spot", "azure_retail", "linode", "oci_price_list", "scaleway", "vultr"}
    markets = [Market(source, Provider()) for source in KEYLESS if source.name in several]
    timed(markets, tmp_path)
    for market in markets:
        assert len(market.asked) > 1, market.source.name
        # The server sees a request a moment after it was sent.
        assert min(gaps(market), default=1.0) >= market.source.seconds_between_requests - 0.05
        market.provider.close()

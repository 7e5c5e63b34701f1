"""Prime Intellect: availability over several clouds, with a key. US dollars per hour for the whole box.

The offer belongs to the cloud named in `provider`; `via` says who sells it. `gpuMemory` is the total of the
box. `onDemand` already holds the disk that comes by default: for RunPod's H100 it is 2.69 and 120 times
0.00014 (answer of 2025-11-16), so no surcharge is added. `communityPrice` stands in for a missing
`onDemand`. An answer without items came with status 200 (2026-10-06): it yields nothing, and the contract
refuses the batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped
from gpuledger.core.provider_name import provider_id
from gpuledger.scrapers.read_json import (
    array,
    each_once,
    leaf,
    mapping,
    priced,
    rows,
    text,
    within,
)
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

KEY = Credential(variable="PRIME_API_KEY")
API = "https://api.primeintellect.ai/api/v1/availability/gpus"
PAGE = 100
MOST_PAGES = 100
TIERS = {"secure_cloud": "secure", "community_cloud": "community"}
STOCK = {
    "available": Availability.AVAILABLE,
    "high": Availability.AVAILABLE,
    "medium": Availability.AVAILABLE,
    "low": Availability.LIMITED,
    "unavailable": Availability.SOLD_OUT,
}


def parse(document: Document) -> Iterator[Fact]:
    """Offers of one page.

    Raises:
        ParseError: no list of items.
    """
    items = rows(mapping(document.json(), document, "answer").get("items"), document, "items")
    return each_once((_offer(row) for row in items), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page, until the pages hold `totalCount` items."""
    match = re.search(r"[?&]page=([0-9]{1,4})\b", document.request.url)
    total = within(leaf(document.json(), "totalCount"), PAGE * MOST_PAGES)
    if match and total and array(leaf(document.json(), "items")) and int(match[1]) * PAGE < total:
        yield _request(int(match[1]) + 1)


def _request(page: int) -> Request:
    return Request(url=f"{API}?page={page}&page_size={PAGE}", credential=KEY)


def _offer(row: Mapping[str, Any]) -> Fact:
    names = ("cloudId", "provider", "gpuType", "socket", "dataCenter", "gpuCount", "prices", "isSpot")
    shown = {name: row.get(name) for name in names}
    sku, cloud, label = text(row.get("cloudId")), text(row.get("provider")), text(row.get("gpuType"))
    count, memory = within(row.get("gpuCount"), 4096), within(row.get("gpuMemory"), 1_000_000)
    currency = text(leaf(row, "prices", "currency"))
    amount = within(leaf(row, "prices", "onDemand"), 100_000)
    amount = amount or within(leaf(row, "prices", "communityPrice"), 100_000)
    if sku is None or cloud is None or label is None or count is None:
        return Skipped("no cloud, product code or GPU", shown)
    if label.startswith("CPU"):
        return Skipped("no accelerator", shown)
    named = re.search(r"_([1-9][0-9]{0,3})GB$", label)
    if named and memory and abs(memory / count / Decimal(named.group(1)) - 1) > Decimal("0.1"):
        return Skipped("GPU count and memory contradict each other", shown)
    if amount is None:
        return Skipped("no price", shown)
    if currency != "USD":
        return Skipped("an unknown currency", shown)
    socket = text(row.get("socket"))
    return priced(
        shown,
        provider=provider_id(cloud),
        via="prime_intellect",
        sku=sku,
        region=text(row.get("region")) or text(row.get("country")) or "unknown",
        zone=text(row.get("dataCenter")),
        tier=TIERS.get(text(row.get("security")) or ""),
        gpu_label=f"{label} {socket}" if socket else label,
        gpu_count=count,
        gpu_memory_gib=memory and memory / count,
        vcpus=within(leaf(row, "vcpu", "defaultCount"), 10_000),
        memory_gib=within(leaf(row, "memory", "defaultCount"), 1_000_000),
        purchase_option=PurchaseOption.SPOT if row.get("isSpot") is True else PurchaseOption.ON_DEMAND,
        price=Price(amount=amount, unit=Unit.HOUR),
        network=text(row.get("interconnectType")),
        availability=STOCK.get((text(row.get("stockStatus")) or "").casefold(), Availability.UNKNOWN),
    )


SOURCE = Source(
    name="prime_intellect",
    homepage="https://www.primeintellect.ai",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(_request(1),),
    follow=follow,
    parse=parse,
    contract=Contract(min_offers=5, must_have=("h100",), usd_per_gpu_hour=between("0.05", "25")),
    covers="machines of several clouds per data centre, with stock, as an aggregator sells them; needs a key",
    licence="API with a key; Prime Intellect's terms of service apply, no licence for the data is stated",
)

"""Linode (Akamai): instance types, keyless, in US dollars per instance-hour; transfer and volumes per GB.

`region_prices` override the price in single regions; the base price counts for all others and is `global`.
The GPU stands in the label only: `Dedicated 32GB + RTX6000 GPU x1`, `RTX4000 Ada x2 Medium`. Transfer
beyond the pooled allowance is a type of its own whose `hourly` is the amount per GB; a volume's `monthly`
is per GB and month.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.scrapers.read_json import (
    charged,
    contradicts,
    each_once,
    leaf,
    mapping,
    number,
    priced,
    rows,
    text,
    within,
)
from gpuledger.scrapers.source import TWICE_A_DAY, Source

HOST = "https://api.linode.com/v4"
PAGE = 500
MOST_PAGES = 20
GPUS_IN_LABEL = re.compile(r"(?:^|\+ )(?P<label>[^+]+?)(?: GPU)? x(?P<count>[0-9]{1,2})\b")
TRANSFER = frozenset({"network_transfer", "distributed_network_transfer"})


def parse(document: Document) -> Iterator[Fact]:
    """Offers, or the prices of transfer or of volumes: three lists of one shape.

    Raises:
        ParseError: no list `data`, or a `region_prices` of another shape.
    """
    listed = rows(mapping(document.json(), document, "answer").get("data"), document, "data")
    return each_once((fact for row in listed for fact in _type(row, document)), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page, where the answer counts more pages."""
    pages, page = within(leaf(document.json(), "pages"), MOST_PAGES), leaf(document.json(), "page")
    if pages and isinstance(page, int) and 0 < page < pages:
        yield Request(url=f"{document.request.url.split('?')[0]}?page_size={PAGE}&page={page + 1}")


def _type(row: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    sku = text(row.get("id"))
    base = {"id": "global", **mapping(row.get("price"), document, "price")}
    prices = [base, *rows(row.get("region_prices", []), document, "region_prices")]
    if sku is None:
        yield Skipped("no id", {"label": row.get("label"), "price": base})
    elif sku == "volume" or sku in TRANSFER:
        yield from (_other(sku, price) for price in prices)
    elif number(row.get("gpus")) in (None, 0):
        yield Skipped("no accelerator", {"id": sku, "class": row.get("class")})
    else:
        yield from (_offer(row, sku, price) for price in prices)


def _offer(row: Mapping[str, Any], sku: str, price: Mapping[str, Any]) -> Fact:
    shown = {"id": sku, "label": row.get("label"), "gpus": row.get("gpus"), "price": price}
    count, hourly = within(row.get("gpus"), 64), within(price.get("hourly"), 10_000)
    named = GPUS_IN_LABEL.search(text(row.get("label")) or "")
    ram, disk = within(row.get("memory"), 1_000_000_000), within(row.get("disk"), 10_000_000_000)
    if named is None or count is None or Decimal(named["count"]) != count:
        return Skipped("label and GPU count contradict each other", shown)
    if hourly is None:
        return Skipped("no price", shown)
    if contradicts(hourly, price.get("monthly")):
        return Skipped("hourly and monthly price contradict each other", shown)
    return priced(
        shown,
        provider="linode",
        sku=sku,
        region=price.get("id"),
        gpu_label=named["label"],
        gpu_count=count,
        vcpus=within(row.get("vcpus"), 10_000),
        memory_gib=ram and ram / 1024,
        local_storage_gb=disk and (disk * 2**20 / 10**9).quantize(Decimal("0.01")),
        purchase_option=PurchaseOption.ON_DEMAND,
        price=Price(amount=hourly, unit=Unit.HOUR),
        billing_increment_seconds=3600,
    )


def _other(sku: str, price: Mapping[str, Any]) -> Fact:
    shown = {"id": sku, "price": price}
    amount = within(price.get("hourly" if sku in TRANSFER else "monthly"), 10)
    terms = {"provider": "linode", "sku": sku, "region": price.get("id")}
    if amount is None:
        return Skipped("no price", shown)
    if sku in TRANSFER:
        return charged(shown, TransferPrice, **terms, direction="egress", amount_per_gb=amount)
    hourly = within(price.get("hourly"), 10)
    if hourly is not None and contradicts(hourly, amount):
        return Skipped("hourly and monthly price contradict each other", shown)
    return charged(shown, StoragePrice, **terms, kind="block", amount_per_gb_month=amount)


SOURCE = Source(
    name="linode",
    homepage="https://www.linode.com/pricing/",
    every=TWICE_A_DAY,
    requests=(
        Request(url=f"{HOST}/linode/types?page_size={PAGE}"),
        Request(url=f"{HOST}/network-transfer/prices?page_size={PAGE}"),
        Request(url=f"{HOST}/volumes/types?page_size={PAGE}"),
    ),
    follow=follow,
    parse=parse,
    contract=Contract(min_offers=3, must_have=("rtx",), usd_per_gpu_hour=between("0.1", "10")),
    covers="GPU instances per instance-hour with regional prices; egress beyond the allowance; block storage",
    licence="public API, keyless for types; no licence for the data is stated",
)

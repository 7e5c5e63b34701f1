"""DigitalOcean: GPU Droplets in US dollars; the price page keyless, the sizes of the API with a token.

The page has a section each for on-demand, spot and 12-month reserved plans, with rows such as `NVIDIA HGX
H200 $3.40 /GPU/hour`; HGX and Instinct rows are droplets of eight GPUs. The API prices whole droplets and
names the regions where a size is for sale; an empty list means that it is sold out, and the price stays.
Its `vram` is the total of all GPUs (recorded sizes: 640 for eight H100), also where others keep it as one
GPU's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from bs4 import Tag
from bs4.element import NavigableString

from core.contract import Contract
from core.document import Credential, Document, Request
from core.money import Price, Unit
from core.offer import Availability, Fact, PurchaseOption, Skipped
from scrapers.reading import (
    array,
    contradicts,
    each_once,
    exact_usd,
    leaf,
    mapping,
    priced,
    rows,
    soup,
    text,
    within,
    words,
)
from scrapers.source import Source

API = "https://api.digitalocean.com/v2/sizes"
ROW = re.compile(r"(?P<label>(?:NVIDIA|AMD) [A-Za-z0-9 -]{1,60}?)\s*(?P<amount>\$\S+)\s*/\s*GPU/hour")
NAME = re.compile(r"^\s*(?:NVIDIA|AMD) [A-Za-z0-9 -]{1,60}$")
PER_GPU_HOUR = re.compile(r"/\s*GPU/hour")
SECTION = re.compile(r"(12 Month Reserved|Spot|On-Demand) Plans")
SECTIONS: Mapping[str, dict[str, Any]] = {
    "12 Month Reserved": {"purchase_option": PurchaseOption.RESERVED, "term_months": Decimal(12)},
    "Spot": {"purchase_option": PurchaseOption.SPOT},
    "On-Demand": {"purchase_option": PurchaseOption.ON_DEMAND},
}
NODE = re.compile(r"\b(?:HGX|Instinct)\b")
NODE_GPUS = 8


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the page or of one page of sizes.

    Raises:
        ParseError: neither the one nor the other.
    """
    if document.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return each_once(_page(document), document)
    answer = mapping(document.json(), document, "answer")
    sizes = rows(answer.get("sizes"), document, "sizes")
    return each_once((fact for row in sizes for fact in _size(row)), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page of sizes, with the same token, and nowhere else than to the API."""
    if document.body.lstrip()[:1] == b"{":
        following = text(leaf(document.json(), "links", "pages", "next"))
        if following and following.startswith(f"{API}?") and following != document.request.url:
            yield Request(url=following, credential=TOKEN)


def _page(document: Document) -> Iterator[Fact]:
    section: str | None = None
    listed: dict[int, tuple[Tag, str | None]] = {}
    names: list[NavigableString] = []
    for string in soup(document).find_all(string=True):
        title = SECTION.search(string)
        section = title.group(1) if title else section
        if PER_GPU_HOUR.search(string):
            tag = _row(string)
            listed[id(tag)] = (tag, section)
        elif section and NAME.match(string):
            names.append(string)
    if not listed:
        raise document.error("a page without a price per GPU and hour")
    for name in names:
        if not any(id(parent) in listed for parent in name.parents):
            yield Skipped("no price per GPU-hour", str(name).strip())
    for tag, section in listed.values():
        yield _plan(words(tag), section)


def _row(string: NavigableString) -> Tag:
    """The smallest element around a price that also names the GPU."""
    small = (tag for tag in string.parents if len(tag.find_all(string=True, limit=12)) < 12)
    around = list(islice(small, 6)) or [next(iter(string.parents))]
    return next((tag for tag in around if re.search("NVIDIA|AMD", words(tag))), around[0])


def _plan(line: str, section: str | None) -> Fact:
    match = ROW.fullmatch(line)
    amount = exact_usd(match["amount"]) if match else None
    if match is None or amount is None or section is None:
        return Skipped("no row of GPU, price and section", line or "empty row")
    return priced(
        line,
        provider="digitalocean",
        sku=match["label"],
        gpu_label=match["label"],
        gpu_count=Decimal(NODE_GPUS if NODE.search(match["label"]) else 1),
        price=Price(amount=amount, unit=Unit.GPU_HOUR),
        **SECTIONS[section],
    )


def _size(row: Mapping[str, Any]) -> Iterator[Fact]:
    shown = {name: row.get(name) for name in ("slug", "price_hourly", "price_monthly", "gpu_info")}
    sku, hourly = text(row.get("slug")), within(row.get("price_hourly"), 10_000)
    count = within(leaf(row, "gpu_info", "count"), 4096)
    if row.get("gpu_info") is None:
        yield Skipped("no accelerator", shown)
    elif sku is None or count is None or count % 1:
        yield Skipped("no slug or GPU count", shown)
    elif hourly is None:
        yield Skipped("no price", shown)
    elif contradicts(hourly, row.get("price_monthly")):
        yield Skipped("hourly and monthly price contradict each other", shown)
    elif (named := re.match(r"gpu-[a-z0-9]+?x([0-9]{1,2})-", sku)) and Decimal(named.group(1)) != count:
        yield Skipped("the GPU counts contradict each other", shown)
    else:
        regions = array(row.get("regions"))
        sold = row.get("available", True) is True
        memory = within(leaf(row, "gpu_info", "vram", "amount"), 1_000_000)
        ram = within(row.get("memory"), 1_000_000_000)
        for region in [text(region) for region in regions] or [None]:
            yield priced(
                shown,
                provider="digitalocean",
                sku=sku,
                region=region or "global",
                gpu_label=text(leaf(row, "gpu_info", "model")) or "",
                gpu_count=count,
                gpu_memory_gib=memory and memory / count,
                vcpus=within(row.get("vcpus"), 10_000),
                memory_gib=ram and ram / 1024,
                local_storage_gb=within(row.get("disk"), 10_000_000),
                purchase_option=PurchaseOption.ON_DEMAND,
                price=Price(amount=hourly, unit=Unit.HOUR),
                availability=Availability.AVAILABLE if sold and region else Availability.SOLD_OUT,
            )


TOKEN = Credential(variable="DIGITALOCEAN_TOKEN")

SOURCE = Source(
    name="digitalocean",
    provider="digitalocean",
    homepage="https://www.digitalocean.com/pricing/gpu-droplets",
    every=timedelta(hours=12),
    fresh_for=timedelta(hours=26),
    requests=(
        Request(url="https://www.digitalocean.com/pricing/gpu-droplets"),
        Request(url=f"{API}?per_page=500", credential=TOKEN),
    ),
    follow=follow,
    parse=parse,
    credentials=(TOKEN,),
    contract=Contract(min_offers=2, must_have=("h100",), usd_per_gpu_hour=(Decimal("0.2"), Decimal(20))),
    covers="GPU Droplets on demand, spot and reserved for 12 months; with a token per region and with stock",
    licence="public price page and API; no licence for the data is stated",
)

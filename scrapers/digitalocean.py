"""DigitalOcean: GPU Droplets in US dollars; the price page keyless, the sizes of the API with a token.

The page has a section each for on-demand, spot and 12-month reserved plans, with rows such as `NVIDIA HGX
H200 $3.40 /GPU/hour`; HGX and Instinct rows are droplets of eight GPUs. The API prices whole droplets and
names the regions where a size is for sale. Its `vram` is the total of all GPUs (640 for eight H100).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_html import is_page, soup, usd_in, words
from gpuledger.scrapers.read_json import (
    divided,
    each_once,
    hourly_or_reason,
    leaf,
    listed,
    picked,
    priced,
    priced_by_place,
    text,
    within,
)
from gpuledger.scrapers.source import TWICE_A_DAY, Source

if TYPE_CHECKING:
    from bs4.element import NavigableString, Tag

TOKEN = Credential(variable="DIGITALOCEAN_TOKEN")
PAGE = "https://www.digitalocean.com/pricing/gpu-droplets"
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
    if is_page(document):
        return each_once(_page(document), document)
    return each_once((fact for row in listed(document, "sizes") for fact in _size(row)), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page of sizes, with the same token, and nowhere else than to the API."""
    following = None if is_page(document) else text(leaf(document.json(), "links", "pages", "next"))
    if following and following.startswith(f"{API}?") and following != document.request.url:
        yield Request(url=following, credential=TOKEN)


def _page(document: Document) -> Iterator[Fact]:
    section = ""
    lines: dict[int, tuple[str, str]] = {}
    for string in soup(document).find_all(string=True):
        title = SECTION.search(string)
        section = title.group(1) if title else section
        if PER_GPU_HOUR.search(string) or (section and NAME.match(string)):
            tag = _row(string)
            lines[id(tag)] = (words(tag), section)
    if not any(PER_GPU_HOUR.search(line) for line, _ in lines.values()):
        raise document.error("a page without a price per GPU and hour")
    return (_plan(line, section) for line, section in lines.values())


def _row(string: NavigableString) -> Tag:
    """The smallest element around a GPU's name or price that has both; where there is none, its own."""
    own, *around = islice(string.parents, 6)
    small = (tag for tag in around if len(tag.find_all(string=True, limit=12)) < 12)
    return next((tag for tag in (own, *small) if ROW.search(words(tag))), own)


def _plan(line: str, section: str) -> Fact:
    match, amount = ROW.fullmatch(line), usd_in(line, ROW)
    if match is None or amount is None or section not in SECTIONS:
        priced_row = PER_GPU_HOUR.search(line)
        return Skipped("no row of GPU, price and section" if priced_row else "no price per GPU-hour", line)
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
    shown = picked(row, "slug", "price_hourly", "price_monthly", "gpu_info")
    sku, hourly = text(row.get("slug")), hourly_or_reason(row.get("price_hourly"), row.get("price_monthly"))
    count = within(leaf(row, "gpu_info", "count"), 4096)
    if row.get("gpu_info") is None:
        yield Skipped("no accelerator", shown)
    elif sku is None or count is None or count % 1:
        yield Skipped("no slug or GPU count", shown)
    elif isinstance(hourly, str):
        yield Skipped(hourly, shown)
    elif (named := re.match(r"gpu-[a-z0-9]+?x([0-9]{1,2})-", sku)) and Decimal(named.group(1)) != count:
        yield Skipped("the GPU counts contradict each other", shown)
    else:
        yield from priced_by_place(
            shown,
            row.get("regions") or [],
            is_sold=row.get("available", True) is True,
            provider="digitalocean",
            sku=sku,
            gpu_label=text(leaf(row, "gpu_info", "model")) or "",
            gpu_count=count,
            gpu_memory_gib=divided(leaf(row, "gpu_info", "vram", "amount"), 1_000_000, count),
            vcpus=within(row.get("vcpus"), 10_000),
            memory_gib=divided(row.get("memory"), 1_000_000_000, 1024),
            local_storage_gb=within(row.get("disk"), 10_000_000),
            purchase_option=PurchaseOption.ON_DEMAND,
            price=Price(amount=hourly, unit=Unit.HOUR),
        )


SOURCE = Source(
    name="digitalocean",
    homepage=PAGE,
    every=TWICE_A_DAY,
    requests=(Request(url=PAGE), Request(url=f"{API}?per_page=500", credential=TOKEN)),
    follow=follow,
    parse=parse,
    contract=Contract(min_offers=2, must_have=("h100",), usd_per_gpu_hour=between("0.2", "20")),
    covers="GPU Droplets on demand, spot and reserved for 12 months; with a token per region and with stock",
    licence="public price page and API; no licence for the data is stated",
)

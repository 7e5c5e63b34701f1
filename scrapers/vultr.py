"""Vultr: cloud GPU plans and bare metal, keyless, in US dollars per instance-hour.

`gpu_vram_gb` is the total of the plan. Cloud GPU plans are slices or multiples of a card: the count is the
plan's memory over the card's, hence a fraction for a slice. Bare-metal ids name the count
(`vbm-112c-2048gb-8-h100-gpu`); older answers say nothing else about the GPU. An empty list of locations
means that the plan is sold out; the price stays. Preemptible prices repeat the on-demand price for plans
that cannot be had that way, so they count only where `deploy_preemptible` is true (answer of 2026-04-01).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import (
    divided,
    each_once,
    hourly_or_reason,
    leaf,
    listed,
    mapping,
    picked,
    priced_by_place,
    text,
    within,
)
from gpuledger.scrapers.source import FOUR_TIMES_A_DAY, Source

HOST = "https://api.vultr.com/v2"
METAL_ID = re.compile(r"vbm-[a-z0-9]+-[a-z0-9]+-(?:(?P<count>[0-9]{1,2})-)?(?P<gpu>[a-z0-9]+)-gpu")
CARD_GB = {
    "NVIDIA_A16": 16,
    "NVIDIA_A40": 48,
    "NVIDIA_A100": 80,
    "NVIDIA_L40S": 48,
    "NVIDIA_H100": 80,
    "NVIDIA_B200": 180,
    "AMD_MI300X": 192,
    "AMD_MI325X": 256,
    "AMD_MI355X": 288,
}
"""Memory of one card of the cloud GPU plans in GB: makers' data sheets; Vultr's A100 have 80 GB."""


def parse(document: Document) -> Iterator[Fact]:
    """Offers of one page of plans, cloud or bare metal.

    Raises:
        ParseError: neither `plans` nor `plans_metal`.
    """
    lists = [
        name for name in ("plans", "plans_metal") if name in mapping(document.json(), document, "answer")
    ]
    if not lists:
        raise document.error("neither plans nor plans_metal")
    plans = (row for name in lists for row in listed(document, name))
    return each_once((fact for row in plans for fact in _plan(row)), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page: `meta.links.next` holds a cursor, empty on the last page."""
    cursor = text(leaf(document.json(), "meta", "links", "next"))
    page, _, asked_cursor = document.request.url.partition("&cursor=")
    if cursor and cursor != asked_cursor and re.fullmatch(r"[A-Za-z0-9_=-]{1,200}", cursor):
        yield Request(url=f"{page}&cursor={cursor}")


def _plan(row: Mapping[str, Any]) -> Iterator[Fact]:
    shown = picked(
        row, "id", "gpu_type", "gpu_vram_gb", "hourly_cost", "monthly_cost", "hourly_cost_preemptible"
    )
    sku, hourly = text(row.get("id")), hourly_or_reason(row.get("hourly_cost"), row.get("monthly_cost"))
    metal = METAL_ID.fullmatch(sku or "")
    if sku is None or (not text(row.get("gpu_type")) and not metal):
        yield Skipped("no accelerator", shown)
        return
    (label, count), places = _cards(row, sku, metal), row.get("locations")
    if count is None or isinstance(hourly, str):
        yield Skipped("GPU count cannot be told" if count is None else str(hourly), shown)
        return
    terms = _terms(row, sku, label, count)
    is_sold, price = row.get("deploy_ondemand", True) is True, Price(amount=hourly, unit=Unit.HOUR)
    option = PurchaseOption.ON_DEMAND
    yield from priced_by_place(shown, places, is_sold=is_sold, **terms, purchase_option=option, price=price)
    spot = within(row.get("hourly_cost_preemptible"), 10_000)
    if spot is None or row.get("deploy_preemptible", spot < hourly) is not True:
        return
    agreed = hourly_or_reason(spot, row.get("monthly_cost_preemptible"))
    if isinstance(agreed, str) or spot > hourly:
        yield Skipped(agreed if isinstance(agreed, str) else "preemptible price above on-demand", shown)
    else:
        option, price = PurchaseOption.SPOT, Price(amount=spot, unit=Unit.HOUR)
        yield from priced_by_place(shown, places, **terms, purchase_option=option, price=price)


def _cards(row: Mapping[str, Any], sku: str, metal: re.Match[str] | None) -> tuple[str, Decimal | None]:
    """Label and count; the count is `None` where memory and card do not tell it."""
    memory, label = within(row.get("gpu_vram_gb"), 100_000), text(row.get("gpu_type")) or ""
    card = CARD_GB.get(label.removesuffix("_SXM"))
    if metal:
        count = Decimal(metal["count"] or 1)
        agrees = memory is None or card is None or memory == card * count
        return label or metal["gpu"].upper(), count if agrees else None
    named = re.search(r"-([0-9]{1,4})vram$", sku)
    agrees = named is None or Decimal(named.group(1)) == memory
    if memory is None or card is None or (memory > card and memory % card) or not agrees:
        return label, None
    return label, memory / card


def _terms(row: Mapping[str, Any], sku: str, label: str, count: Decimal) -> dict[str, Any]:
    disk = within(row.get("disk"), 1_000_000)
    return {
        "provider": "vultr",
        "sku": sku,
        "gpu_label": label,
        "gpu_count": count,
        "gpu_memory_gib": divided(row.get("gpu_vram_gb"), 100_000, count),
        "vcpus": within(row.get("vcpu_count") or row.get("cpu_threads"), 10_000),
        "memory_gib": divided(row.get("ram"), 1_000_000_000, 1024),
        "local_storage_gb": disk and disk * (within(row.get("disk_count"), 1000) or 1),
    }


SOURCE = Source(
    name="vultr",
    homepage="https://www.vultr.com/pricing/",
    every=FOUR_TIMES_A_DAY,
    requests=(
        Request(url=f"{HOST}/plans?type=all&per_page=500"),
        Request(url=f"{HOST}/plans-metal?per_page=500"),
    ),
    follow=follow,
    parse=parse,
    contract=Contract(min_offers=10, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.05", "20")),
    covers="cloud GPUs, whole and sliced, and bare metal by location, on demand and preemptible",
    licence="public API, keyless for plans; no licence for the data is stated",
)

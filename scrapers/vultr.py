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
from datetime import timedelta
from decimal import Decimal
from typing import Any

from core.contract import Contract
from core.document import Document, Request
from core.money import Price, Unit
from core.offer import Availability, Fact, PurchaseOption, Skipped
from scrapers.reading import array, contradicts, each_once, leaf, mapping, priced, rows, text, within
from scrapers.source import Source

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
    answer = mapping(document.json(), document, "answer")
    listed = [name for name in ("plans", "plans_metal") if name in answer]
    if not listed:
        raise document.error("neither plans nor plans_metal")
    plans = (row for name in listed for row in rows(answer[name], document, name))
    return each_once((fact for row in plans for fact in _plan(row)), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page: `meta.links.next` holds a cursor, empty on the last page."""
    cursor = text(leaf(document.json(), "meta", "links", "next"))
    page, _, asked = document.request.url.partition("&cursor=")
    if cursor and cursor != asked and re.fullmatch(r"[A-Za-z0-9_=-]{1,200}", cursor):
        yield Request(url=f"{page}&cursor={cursor}")


def _plan(row: Mapping[str, Any]) -> Iterator[Fact]:
    sku, hourly = text(row.get("id")), within(row.get("hourly_cost"), 10_000)
    names = ("id", "gpu_type", "gpu_vram_gb", "hourly_cost", "monthly_cost", "hourly_cost_preemptible")
    shown = {name: row.get(name) for name in names}
    metal = METAL_ID.fullmatch(sku or "")
    if sku is None or (not text(row.get("gpu_type")) and not metal):
        yield Skipped("no accelerator", shown)
        return
    label, count = _cards(row, metal)
    if count is None:
        yield Skipped("GPU count cannot be told", shown)
    elif hourly is None:
        yield Skipped("no price", shown)
    elif contradicts(hourly, row.get("monthly_cost")):
        yield Skipped("hourly and monthly price contradict each other", shown)
    else:
        terms = _terms(row, sku, label, count)
        sold = row.get("deploy_ondemand", True) is True
        yield from _per_location(row, shown, terms, PurchaseOption.ON_DEMAND, hourly, sold)
        preemptible = within(row.get("hourly_cost_preemptible"), 10_000)
        if preemptible is not None and row.get("deploy_preemptible", preemptible < hourly) is True:
            if preemptible > hourly:
                yield Skipped("preemptible price above on-demand", shown)
            elif contradicts(preemptible, row.get("monthly_cost_preemptible")):
                yield Skipped("hourly and monthly price contradict each other", shown)
            else:
                yield from _per_location(row, shown, terms, PurchaseOption.SPOT, preemptible, True)


def _cards(row: Mapping[str, Any], metal: re.Match[str] | None) -> tuple[str, Decimal | None]:
    """Label and count; the count is `None` where memory and card do not tell it."""
    memory = within(row.get("gpu_vram_gb"), 100_000)
    label = text(row.get("gpu_type"))
    card = CARD_GB.get((label or "").removesuffix("_SXM"))
    if metal:
        count = Decimal(metal["count"] or 1)
        agrees = memory is None or card is None or memory == card * count
        return label or metal["gpu"].upper(), count if agrees else None
    named = re.search(r"-([0-9]{1,4})vram$", text(row.get("id")) or "")
    if memory is None or card is None or (memory > card and memory % card):
        return label or "", None
    if named and Decimal(named.group(1)) != memory:
        return label or "", None
    return label or "", memory / card


def _terms(row: Mapping[str, Any], sku: str, label: str, count: Decimal) -> dict[str, Any]:
    memory, ram = within(row.get("gpu_vram_gb"), 100_000), within(row.get("ram"), 1_000_000_000)
    disk, disks = within(row.get("disk"), 1_000_000), within(row.get("disk_count"), 1000)
    return {
        "provider": "vultr",
        "sku": sku,
        "gpu_label": label,
        "gpu_count": count,
        "gpu_memory_gib": memory and memory / max(count, Decimal(1)),
        "vcpus": within(row.get("vcpu_count") or row.get("cpu_threads"), 10_000),
        "memory_gib": ram and ram / 1024,
        "local_storage_gb": disk and disk * (disks or 1),
    }


def _per_location(
    row: Mapping[str, Any], shown: Any, terms: Any, option: PurchaseOption, amount: Decimal, sold: bool
) -> Iterator[Fact]:
    places = array(row.get("locations"))
    for place in [text(place) for place in places] or [None]:
        stock = Availability.AVAILABLE if sold and place else Availability.SOLD_OUT
        yield priced(
            shown,
            **terms,
            region=place or "global",
            purchase_option=option,
            price=Price(amount=amount, unit=Unit.HOUR),
            availability=stock if isinstance(row.get("locations"), list) else Availability.UNKNOWN,
        )


SOURCE = Source(
    name="vultr",
    provider="vultr",
    homepage="https://www.vultr.com/pricing/",
    every=timedelta(hours=6),
    fresh_for=timedelta(hours=13),
    requests=(
        Request(url=f"{HOST}/plans?type=all&per_page=500"),
        Request(url=f"{HOST}/plans-metal?per_page=500"),
    ),
    follow=follow,
    parse=parse,
    contract=Contract(
        min_offers=10, must_have=("h100", "a100"), usd_per_gpu_hour=(Decimal("0.05"), Decimal(20))
    ),
    covers="cloud GPUs, whole and sliced, and bare metal by location, on demand and preemptible",
    licence="public API, keyless for plans; no licence for the data is stated",
)

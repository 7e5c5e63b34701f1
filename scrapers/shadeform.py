"""Shadeform: an aggregator of a dozen clouds, with a key. US cents per instance-hour, its margin included.

The offer belongs to the cloud that runs the machine; `via` says that Shadeform sells it. Each entry of
`availability` is a region with its stock. `gpu_type` mixes name and form factor (`H100_sxm5`); where it
names none, `interconnect` does. CPU machines are listed as `gpu_type` "CPU". Containers and bare metal of
the same product code are products of their own (reference list of 2026-08).
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
    each_once,
    leaf,
    mapping,
    number,
    priced,
    rows,
    text,
    within,
)
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

KEY = Credential(variable="SHADEFORM_API_KEY", travels_as="header", name="X-API-KEY")
CENTS_PER_DOLLAR = 100


def parse(document: Document) -> Iterator[Fact]:
    """Offers of all clouds and regions.

    Raises:
        ParseError: no list of instance types, or an `availability` of another shape.
    """
    listed = mapping(document.json(), document, "answer").get("instance_types")
    types = rows(listed, document, "instance_types")
    return each_once((fact for row in types for fact in _offers(row, document)), document)


def _offers(row: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    names = ("cloud", "shade_instance_type", "cloud_instance_type", "hourly_price", "deployment_type")
    shown = {name: row.get(name) for name in names}
    cents, count = row.get("hourly_price"), within(leaf(row, "configuration", "num_gpus"), 4096)
    label, cloud = text(leaf(row, "configuration", "gpu_type")), text(row.get("cloud"))
    sku = text(row.get("cloud_instance_type")) or text(row.get("shade_instance_type"))
    if label == "CPU" or number(leaf(row, "configuration", "num_gpus")) == 0:
        yield Skipped("no accelerator", shown)
        return
    if cloud is None or sku is None or label is None or count is None:
        yield Skipped("no cloud, product code or GPU", shown)
        return
    named = re.search(r"x([0-9]{1,3})$", text(row.get("shade_instance_type")) or "")
    if named and Decimal(named.group(1)) != count:
        yield Skipped("the GPU counts contradict each other", shown)
        return
    amount = within(cents, 1_000_000) if isinstance(cents, int) else None
    if amount is None:
        yield Skipped("not a price in whole cents", shown)
        return
    places = list(rows(row.get("availability"), document, "availability"))
    if not places:
        yield Skipped("no region", shown)
    for place in places:
        yield priced(
            shown,
            provider=provider_id(cloud),
            via="shadeform",
            sku=_sku(row, sku),
            region=text(place.get("region")) or "",
            gpu_label=_label(row, label),
            gpu_count=count,
            gpu_memory_gib=within(leaf(row, "configuration", "vram_per_gpu_in_gb"), 4096),
            instance_type=text(row.get("shade_instance_type")) or sku,
            vcpus=within(leaf(row, "configuration", "vcpus"), 10_000),
            memory_gib=within(leaf(row, "configuration", "memory_in_gb"), 1_000_000),
            local_storage_gb=within(leaf(row, "configuration", "storage_in_gb"), 10_000_000),
            purchase_option=PurchaseOption.ON_DEMAND,
            price=Price(amount=amount / CENTS_PER_DOLLAR, unit=Unit.HOUR),
            availability=Availability.AVAILABLE if place.get("available") is True else Availability.SOLD_OUT,
        )


def _sku(row: Mapping[str, Any], sku: str) -> str:
    deployment = text(row.get("deployment_type"))
    return sku if deployment in (None, "vm") else f"{sku} {deployment}"


def _label(row: Mapping[str, Any], label: str) -> str:
    form = text(leaf(row, "configuration", "interconnect"))
    named = any(word in label.casefold() for word in ("sxm", "pcie", "nvl", "oam"))
    return label if named or form is None else f"{label} {form}"


SOURCE = Source(
    name="shadeform",
    homepage="https://www.shadeform.ai/instances",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(Request(url="https://api.shadeform.ai/v1/instances/types", credential=KEY),),
    parse=parse,
    contract=Contract(min_offers=20, must_have=("h100",), usd_per_gpu_hour=between("0.05", "25")),
    covers="machines of a dozen clouds per region, with stock, as an aggregator sells them; needs a key",
    licence="API with a key; Shadeform's terms of service apply, no licence for the data is stated",
)

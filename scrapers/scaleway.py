"""Scaleway: server types of one zone, keyless, in euros per instance-hour before tax.

The answer names no currency; the list is in euros (reference list of 2026-08). `gpu` is a count, 0 or null;
`gpu_info.gpu_memory` is one GPU's, in bytes. The plain H100 is the PCIe card, `H100-SXM-*` the SXM one:
where the server's name says SXM and `gpu_name` does not, the label says it. Zones are asked one by one, 100
types a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import (
    contradicts,
    each_once,
    fields,
    leaf,
    mapping,
    number,
    priced,
    text,
    within,
)
from gpuledger.scrapers.source import TWICE_A_DAY, Source

ZONES = (
    "fr-par-1",
    "fr-par-2",
    "fr-par-3",
    "nl-ams-1",
    "nl-ams-2",
    "nl-ams-3",
    "pl-waw-1",
    "pl-waw-2",
    "pl-waw-3",
)
PAGE = 100
MOST_PAGES = 20
REQUEST = re.compile(r"/zones/(?P<zone>[a-z0-9-]+)/products/servers\?.*\bpage=(?P<page>[0-9]{1,3})")


def parse(document: Document) -> Iterator[Fact]:
    """Offers of one page of one zone.

    Raises:
        ParseError: no object `servers` of objects.
    """
    servers = mapping(mapping(document.json(), document, "answer").get("servers"), document, "servers")
    match = REQUEST.search(document.request.url)
    zone = document.context.get("zone") or (match["zone"] if match else "unknown")
    listed = ((name, mapping(server, document, f"servers[{name[:60]}]")) for name, server in servers.items())
    return each_once((_offer(name, server, zone) for name, server in listed), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page, as long as pages are full."""
    servers = fields(fields(document.json()).get("servers"))
    match = REQUEST.search(document.request.url)
    if match and len(servers) >= PAGE and int(match["page"]) < MOST_PAGES:
        yield _request(match["zone"], int(match["page"]) + 1)


def _request(zone: str, page: int) -> Request:
    return Request(
        url=f"https://api.scaleway.com/instance/v1/zones/{zone}/products/servers?per_page={PAGE}&page={page}",
        context={"zone": zone},
    )


def _offer(name: str, server: Mapping[str, Any], zone: str) -> Fact:
    shown = {"name": name, **{key: server.get(key) for key in ("gpu", "hourly_price", "monthly_price")}}
    hourly, count = within(server.get("hourly_price"), 10_000), within(server.get("gpu"), 64)
    label = text(leaf(server, "gpu_info", "gpu_name"))
    memory = within(leaf(server, "gpu_info", "gpu_memory"), 2**50)
    ram = within(server.get("ram"), 2**60)
    if server.get("gpu") is None or number(server.get("gpu")) == 0:
        return Skipped("no accelerator", shown)
    if count is None or count % 1 or label is None:
        return Skipped("no GPU count or name", shown)
    if server.get("mig_profile") is not None or "MIG" in name:
        return Skipped("a slice of unknown size", shown)
    if server.get("end_of_service", False) is not False:
        return Skipped("no longer sold", shown)
    if hourly is None:
        return Skipped("no price", shown)
    if contradicts(hourly, server.get("monthly_price")):
        return Skipped("hourly and monthly price contradict each other", shown)
    if "SXM" in name and "SXM" not in label:
        label = f"{label}-SXM"
    return priced(
        shown,
        provider="scaleway",
        sku=name,
        region=re.sub(r"-[0-9]+$", "", zone),
        zone=zone,
        gpu_label=label,
        gpu_count=count,
        gpu_memory_gib=memory and memory / 2**30,
        vcpus=within(server.get("ncpus"), 10_000),
        memory_gib=ram and ram / 2**30,
        purchase_option=PurchaseOption.ON_DEMAND,
        price=Price(amount=hourly, currency="EUR", unit=Unit.HOUR),
    )


SOURCE = Source(
    name="scaleway",
    homepage="https://www.scaleway.com/en/pricing/gpu/",
    every=TWICE_A_DAY,
    requests=tuple(_request(zone, 1) for zone in ZONES),
    follow=follow,
    parse=parse,
    contract=Contract(min_offers=4, must_have=("l4",), usd_per_gpu_hour=between("0.2", "20")),
    currencies=("EUR",),
    covers="GPU instances per zone, on demand, in euros per instance-hour",
    licence="public API, keyless for server types; no licence for the data is stated",
)

"""TensorDock: a market of hosts, US dollars per hour for each GPU, vCPU, GB of memory and of disk, with a key.

A host sells its parts apart and a machine is put together at will; `max_*` is what is free. The offer is one GPU
with the share of a usual machine (4 vCPUs, 16 GB of memory, 100 GB of disk, the smallest that may be ordered), at
the sum of its parts: the GPU alone cannot be rented. Looked at 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import each_once, leaf, mapping, number, picked, priced, rows, text, within
from gpuledger.scrapers.source import HOURLY, MINUTE, Source

KEY = Credential(variable="TENSORDOCK_API_TOKEN")
VCPUS, MEMORY_GB, DISK_GB = Decimal(4), Decimal(16), Decimal(100)
PARTS = (("per_vcpu_hr", VCPUS), ("per_gb_ram_hr", MEMORY_GB), ("per_gb_storage_hr", DISK_GB))


def parse(document: Document) -> Iterator[Fact]:
    """One offer per location and GPU.

    Raises:
        ParseError: no list of locations, or a location without a list of GPUs.
    """
    data = mapping(mapping(document.json(), document, "answer").get("data"), document, "data")
    places = rows(data.get("locations"), document, "locations")
    return each_once((fact for place in places for fact in _location(place, document)), document)


def _location(place: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    code, country, city = (text(place.get(name)) for name in ("id", "country", "city"))
    for row in rows(place.get("gpus"), document, "gpus"):
        shown = picked(row, "v0Name", "displayName", "max_count", "price_per_hr", "pricing") | {
            "location": code
        }
        label = text(row.get("displayName")) or text(row.get("v0Name"))
        amount = within(row.get("price_per_hr"), 1000)
        rates = [within(leaf(row, "pricing", name), 100) for name, _ in PARTS]
        if code is None or country is None or label is None:
            yield Skipped("no location or GPU", shown)
        elif amount is None or None in rates:
            yield Skipped("no price of the GPU or of the parts around it", shown)
        else:
            parts = sum(
                (rate * size for rate, (_, size) in zip(rates, PARTS, strict=True) if rate), Decimal(0)
            )
            free = number(row.get("max_count"))
            yield priced(
                shown,
                provider="tensordock",
                sku=f"{code} {text(row.get('v0Name')) or label}",
                region=country,
                zone=city,
                tier="community",
                gpu_label=label,
                gpu_count=Decimal(1),
                vcpus=VCPUS,
                memory_gib=MEMORY_GB,
                local_storage_gb=DISK_GB,
                purchase_option=PurchaseOption.ON_DEMAND,
                price=Price(amount=amount + parts, unit=Unit.GPU_HOUR),
                max_gpus=int(free) if free is not None and 1 <= free <= 64 else None,
                availability=Availability.AVAILABLE if free else Availability.SOLD_OUT,
            )


SOURCE = Source(
    name="tensordock",
    homepage="https://www.tensordock.com/cloud-gpus.html",
    every=HOURLY,
    shortest=MINUTE,
    requests=(Request(url="https://dashboard.tensordock.com/api/v2/locations", credential=KEY),),
    parse=parse,
    contract=Contract(
        min_offers=3,
        usd_per_gpu_hour=between("0.05", "20"),
        larger_costs_more=False,
        is_marketplace=True,
    ),
    covers="GPUs of independent hosts with 4 vCPUs, 16 GB and 100 GB of disk each; needs a key",
    licence="API with a key; TensorDock's terms of service apply, no licence for the data is stated",
)

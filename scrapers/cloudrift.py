"""CloudRift: virtual machines with 1 to 8 GPUs per data centre. Keyless, US cents per instance-hour.

Each type has variants by size; `nodes_per_dc` says how many nodes of a data centre have room for it, and a variant
that no data centre lists is not sold. Memory is in bytes, `vram` of one GPU. Looked at 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import (
    divided,
    each_once,
    fields,
    mapping,
    number,
    picked,
    priced,
    rows,
    text,
    within,
)
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

BYTES_PER_GIB = 2**30
MOST_BYTES = 10**15
CENTS_PER_DOLLAR = 100


def parse(document: Document) -> Iterator[Fact]:
    """One offer per variant and data centre.

    Raises:
        ParseError: no list of instance types, or a type without a list of variants.
    """
    data = mapping(mapping(document.json(), document, "answer").get("data"), document, "data")
    types = rows(data.get("instance_types"), document, "instance_types")
    return each_once((fact for row in types for fact in _type(row, document)), document)


def _type(row: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    brand = text(row.get("brand_short"))
    for variant in rows(row.get("variants"), document, "variants"):
        shown = picked(variant, "name", "cost_per_hour", "gpu_count", "nodes_per_dc") | {"brand_short": brand}
        name, count = text(variant.get("name")), within(variant.get("gpu_count"), 64)
        cents = within(variant.get("cost_per_hour"), 1_000_000)
        places = fields(variant.get("nodes_per_dc"))
        if brand is None or name is None or count is None:
            yield Skipped("no accelerator", shown)
        elif cents is None:
            yield Skipped("no price", shown)
        elif not places:
            yield Skipped("sold in no data centre", shown)
        else:
            yield from (
                priced(
                    shown,
                    provider="cloudrift",
                    sku=name,
                    region=place,
                    gpu_label=brand,
                    gpu_count=count,
                    gpu_memory_gib=divided(variant.get("vram"), MOST_BYTES, BYTES_PER_GIB),
                    vcpus=within(variant.get("cpu_count"), 10_000),
                    memory_gib=divided(variant.get("dram"), MOST_BYTES, BYTES_PER_GIB),
                    purchase_option=PurchaseOption.ON_DEMAND,
                    price=Price(amount=cents / CENTS_PER_DOLLAR, unit=Unit.HOUR),
                    availability=_stock(number(nodes)),
                )
                for place, nodes in places.items()
            )


def _stock(nodes: Decimal | None) -> Availability:
    if nodes is None:
        return Availability.UNKNOWN
    return Availability.AVAILABLE if nodes > 0 else Availability.SOLD_OUT


SOURCE = Source(
    name="cloudrift",
    homepage="https://www.cloudrift.ai/pricing",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(
        Request(
            url="https://api.cloudrift.ai/api/v1/instance-types/list",
            method="POST",
            payload={
                "version": "2025-03-21",
                "data": {"selector": {"ByServiceAndLocation": {"services": ["vm"]}}},
            },
        ),
    ),
    parse=parse,
    contract=Contract(min_offers=2, must_have=("rtx",), usd_per_gpu_hour=between("0.05", "20")),
    covers="virtual machines of 1 to 8 GPUs per data centre, with stock",
    licence="public interface, keyless; no licence for the data is stated",
)

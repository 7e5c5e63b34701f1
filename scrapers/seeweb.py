"""Seeweb: Italian cloud servers with GPUs, euros per instance-hour, with a key.

A plan holds one or more whole GPUs and is sold in the regions of `available_regions`; `available` says whether the
plan is on sale at all. Counts and sizes are text, memory in MiB. Plans without a GPU say "0".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import (
    array,
    each_once,
    leaf,
    listed,
    picked,
    price_or_reason,
    priced,
    text,
)
from gpuledger.scrapers.source import FOUR_TIMES_A_DAY, Source

KEY = Credential(variable="SEEWEB_API_TOKEN", travels_as="header", name="X-APITOKEN")
MIB_PER_GIB = 1024
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def parse(document: Document) -> Iterator[Fact]:
    """One offer per plan and region.

    Raises:
        ParseError: no list of plans.
    """
    return each_once((fact for row in listed(document, "plans") for fact in _facts(row)), document)


def _facts(row: Mapping[str, Any]) -> Iterator[Fact]:
    shown = picked(row, "name", "gpu", "gpu_label", "hourly_price", "available")
    name, label, count = text(row.get("name")), text(row.get("gpu_label")), _whole(row.get("gpu"))
    if name is None or label is None or not count:
        yield Skipped("no accelerator", shown)
        return
    if row.get("available") is not True:
        yield Skipped("no longer on sale", shown)
        return
    amount = price_or_reason(row.get("hourly_price"), 10_000)
    if isinstance(amount, str):
        yield Skipped(amount, shown)
        return
    places = dict.fromkeys(
        place for entry in array(row.get("available_regions")) if (place := text(leaf(entry, "location")))
    )
    if not places:
        yield Skipped("sold in no region", shown)
    memory = _whole(row.get("ram"))
    for place in places:
        yield priced(
            shown,
            provider="seeweb",
            sku=name,
            region=place,
            gpu_label=label,
            gpu_count=Decimal(count),
            vcpus=_whole(row.get("cpu")) or None,
            memory_gib=memory / MIB_PER_GIB if memory else None,
            purchase_option=PurchaseOption.ON_DEMAND,
            price=Price(amount=amount, currency="EUR", unit=Unit.HOUR),
        )


def _whole(value: Any) -> Decimal | None:
    """A whole number as text or number: "32768"."""
    plain = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
    return Decimal(plain) if plain and _WHOLE.fullmatch(plain) else None


SOURCE = Source(
    name="seeweb",
    currencies=("EUR",),
    homepage="https://www.seeweb.it/en/products/cloud-server-gpu",
    every=FOUR_TIMES_A_DAY,
    requests=(Request(url="https://api.seeweb.it/ecs/v2/plans", credential=KEY),),
    parse=parse,
    contract=Contract(min_offers=2, usd_per_gpu_hour=between("0.1", "15")),
    covers="servers with whole GPUs per plan and region, in euros; needs a key",
    licence="API with a key; Seeweb's terms of service apply, no licence for the data is stated",
)

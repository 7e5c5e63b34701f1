"""Verda, formerly DataCrunch: instance types, keyless, in US dollars per instance-hour, on demand and spot.

Prices are decimal strings. `gpu_memory` is the total of the instance, except where V100 rows keep 16 GB, so
the memory that the description names goes first. Where an instance type is in stock is told only to key
holders: the region is `global`. `dynamic_price` belongs to another product and is not read (reference list
of 2026-08).
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
from gpuledger.scrapers.read_json import each_once, leaf, mapping, number, priced, rows, text, within
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

AMOUNT = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
DESCRIPTION = re.compile(r"(?P<count>[0-9]{1,3})x (?P<label>.+)")
MEMORY = re.compile(r"\b([0-9]{1,4}) ?GB\b")
OPTIONS = (
    (PurchaseOption.ON_DEMAND, ("price_per_hour",)),
    (PurchaseOption.SPOT, ("spot_price", "spot_price_per_hour")),
)


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the list of instance types.

    Raises:
        ParseError: not a list of objects.
    """
    listed = rows(document.json(), document, "answer")
    return each_once((fact for row in listed for fact in _offers(row, document)), document)


def _offers(row: Mapping[str, Any], document: Document) -> Iterator[Fact]:
    gpu = mapping(row.get("gpu"), document, "gpu")
    sku, currency = text(row.get("instance_type")), text(row.get("currency"))
    shown = {
        name: row.get(name) for name in ("instance_type", "price_per_hour", "spot_price", "currency", "gpu")
    }
    count = within(gpu.get("number_of_gpus"), 4096)
    described = DESCRIPTION.fullmatch(text(gpu.get("description")) or "")
    if number(gpu.get("number_of_gpus")) == 0:
        yield Skipped("no accelerator", shown)
    elif sku is None or count is None or described is None:
        yield Skipped("no instance type or GPU", shown)
    elif Decimal(described["count"]) != count or not sku.startswith(described["count"]):
        yield Skipped("the GPU counts contradict each other", shown)
    elif currency is None or not re.fullmatch(r"(?i)usd|eur", currency):
        yield Skipped("an unknown currency", shown)
    else:
        for option, names in OPTIONS:
            amount = next((candidate for name in names if (candidate := _amount(row.get(name)))), None)
            if amount is None and option is PurchaseOption.SPOT:
                continue
            yield (
                Skipped("no price", shown)
                if amount is None
                else priced(
                    shown,
                    provider="verda",
                    sku=sku,
                    gpu_label=described["label"],
                    gpu_count=count,
                    gpu_memory_gib=_memory(row, described["label"], count),
                    vcpus=_size(row, "cpu", "number_of_cores"),
                    memory_gib=_size(row, "memory", "size_in_gigabytes"),
                    purchase_option=option,
                    price=Price(amount=amount, currency=currency.upper(), unit=Unit.HOUR),
                )
            )


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, str):
        return within(Decimal(value), 10_000) if AMOUNT.fullmatch(value) else None
    return within(value, 10_000)


def _memory(row: Mapping[str, Any], label: str, count: Decimal) -> Decimal | None:
    named = MEMORY.search(label)
    total = _size(row, "gpu_memory", "size_in_gigabytes")
    return Decimal(named.group(1)) if named else total and total / count


def _size(row: Mapping[str, Any], part: str, name: str) -> Decimal | None:
    return within(leaf(row, part, name), 1_000_000)


SOURCE = Source(
    name="verda",
    homepage="https://verda.com/pricing",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(Request(url="https://api.verda.com/v1/instance-types?currency=usd"),),
    fallback=(Request(url="https://api.datacrunch.io/v1/instance-types"),),
    parse=parse,
    contract=Contract(min_offers=4, must_have=("h100",), usd_per_gpu_hour=between("0.03", "20")),
    covers="on-demand and spot instances of 1 to 8 GPUs per instance-hour",
    licence="public price interface, keyless; no licence for the data is stated",
)

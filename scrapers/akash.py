"""Akash: a market of independent hosts that bid for deployments. Keyless, US dollars per GPU-hour.

One row per GPU model, memory and interface, with the bids of the past month in summary and how many of them are free
now. The offer's price is `weightedAverage`, the one that Akash shows on its own price page: the lowest bid of a
month says what somebody once asked. CPU and memory are part of what hosts bid for. Looked at 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import each_once, leaf, listed, number, picked, priced, text, within
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source


def parse(document: Document) -> Iterator[Fact]:
    """One offer per model that had bids.

    Raises:
        ParseError: no list of models.
    """
    return each_once((_fact(row) for row in listed(document, "models")), document)


def _fact(row: Mapping[str, Any]) -> Fact:
    shown = picked(row, "vendor", "model", "ram", "interface", "price")
    words = [text(row.get(name)) for name in ("vendor", "model", "ram", "interface")]
    model = words[1]
    amount = within(leaf(row, "price", "weightedAverage"), 1000)
    if model is None:
        return Skipped("no model is named", shown)
    if amount is None:
        return Skipped("nobody bid in the past month", shown)
    if text(leaf(row, "price", "currency")) not in ("USD", None):
        return Skipped("not in US dollars", shown)
    free = number(leaf(row, "availability", "available"))
    return priced(
        shown,
        provider="akash",
        sku=" ".join(word for word in words[1:] if word),
        tier="community",
        gpu_label=" ".join(word for word in words if word),
        gpu_count=Decimal(1),
        purchase_option=PurchaseOption.ON_DEMAND,
        price=Price(amount=amount, unit=Unit.GPU_HOUR),
        gpu_memory_gib=_memory(words[2]),
        max_gpus=int(free) if free is not None and 1 <= free <= 4096 else None,
        availability=_stock(free),
    )


def _memory(ram: str | None) -> Decimal | None:
    """GiB of `80Gi`."""
    size = (ram or "").lower().removesuffix("gi")
    return within(int(size), 4096) if size.isdecimal() and len(size) < 6 else None


def _stock(free: Decimal | None) -> Availability:
    if free is None:
        return Availability.UNKNOWN
    return Availability.AVAILABLE if free > 0 else Availability.SOLD_OUT


SOURCE = Source(
    name="akash",
    homepage="https://akash.network/pricing/gpus/",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(Request(url="https://console-api.akash.network/v1/gpu-prices"),),
    parse=parse,
    contract=Contract(
        min_offers=5,
        usd_per_gpu_hour=between("0.01", "20"),
        larger_costs_more=False,
        is_marketplace=True,
    ),
    covers="GPU models of a market of hosts, the average of the month's bids, with what is free",
    licence="public interface, keyless; no licence for the data is stated",
)

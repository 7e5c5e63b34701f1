"""JarvisLabs: US dollars per GPU-hour and region, with a key.

A row is a GPU type in a region for virtual machines or containers; up to `num_gpus` of it share one instance.
`spot_price` holds for containers alone. `price_per_week` and `price_per_month` contradict the hourly price (read
2026-08) and are not used. An account in rupees would see rupees: such amounts are out of this source's bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer, PurchaseOption, Skipped
from gpuledger.scrapers.read_json import listed, number, picked, priced, text, within
from gpuledger.scrapers.source import FIVE_MINUTES, HOURLY, Source

KEY = Credential(variable="JL_API_KEY")


def parse(document: Document) -> Iterator[Fact]:
    """Offers of all regions; of several pools of one type one that has something free speaks.

    Raises:
        ParseError: no list of servers, or two prices of one thing.
    """
    pools: dict[str, Offer] = {}
    for fact in (fact for row in listed(document, "server_meta") for fact in _facts(row)):
        if not isinstance(fact, Offer):
            yield fact
            continue
        pool = pools.setdefault(fact.offer_id, fact)
        if pool is not fact:
            if pool.price != fact.price:
                raise document.error(f"{fact.sku} in {fact.region} is listed at two prices")
            yield Skipped("another pool of the same", fact.model_dump(mode="json", exclude_none=True))
            if pool.availability is not Availability.AVAILABLE:
                pools[fact.offer_id] = fact
    yield from pools.values()


def _facts(row: Mapping[str, Any]) -> Iterator[Fact]:
    shown = picked(row, "gpu_type", "region", "workload_type", "price_per_hour", "spot_price", "num_gpus")
    label, region = text(row.get("gpu_type")), text(row.get("region"))
    workload = text(row.get("workload_type")) or "vm"
    on_demand = within(row.get("price_per_hour"), 1000)
    if label is None or region is None:
        yield Skipped("no accelerator or region", shown)
        return
    if on_demand is None:
        yield Skipped("no price", shown)
        return
    spot = within(row.get("spot_price"), 1000) if workload == "container" else None
    for option, amount, free in (
        (
            PurchaseOption.ON_DEMAND,
            on_demand,
            row.get("effective_num_free_devices", row.get("num_free_devices")),
        ),
        (PurchaseOption.SPOT, spot, row.get("spot_num_free_devices")),
    ):
        if amount is not None:
            yield priced(
                shown,
                provider="jarvislabs",
                sku=f"{label} {workload}",
                region=region,
                gpu_label=label,
                gpu_count=Decimal(1),
                purchase_option=option,
                price=Price(amount=amount, unit=Unit.GPU_HOUR),
                gpu_memory_gib=_size(row.get("vram")),
                vcpus=_size(row.get("cpus_per_gpu")),
                memory_gib=_size(row.get("ram_per_gpu")),
                max_gpus=_count(row.get("num_gpus")),
                availability=_stock(number(free)),
            )


def _size(value: Any) -> Decimal | None:
    """A size as number or as text: 24, "24"."""
    plain = text(value)
    return (
        within(int(plain), 100_000)
        if plain and plain.isdecimal() and len(plain) < 8
        else within(value, 100_000)
    )


def _count(value: Any) -> int | None:
    size = _size(value)
    return int(size) if size and size % 1 == 0 else None


def _stock(free: Decimal | None) -> Availability:
    if free is None:
        return Availability.UNKNOWN
    return Availability.AVAILABLE if free > 0 else Availability.SOLD_OUT


SOURCE = Source(
    name="jarvislabs",
    homepage="https://jarvislabs.ai/pricing",
    every=HOURLY,
    shortest=FIVE_MINUTES,
    requests=(Request(url="https://backendn.jarvislabs.net/misc/server_meta", credential=KEY),),
    parse=parse,
    contract=Contract(min_offers=3, usd_per_gpu_hour=between("0.1", "15")),
    covers="GPUs per region for virtual machines and containers, spot for containers, with stock; needs a key",
    licence="API with a key; JarvisLabs' terms of service apply, no licence for the data is stated",
)

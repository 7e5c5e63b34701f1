"""Google's Cloud Billing Catalog (key `GOOGLE_API_KEY`): the parts of machines, summed into machine types.

A SKU prices one vCPU, GiB of memory, GPU, TPU chip (each per hour) or GiB of local SSD (per month) in its
`serviceRegions`; its description alone says which machine family it is for and how it is bought. A price is
the whole `units`, a string, plus `nanos` billionths. A machine has a price where every part of it has one.
A4 machines are sold by GPU with all the rest included. SKUs are dated by `effectiveTime`. The parts of one
machine lie on several pages, so all pages are read together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import HOURS_PER_MONTH, Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.provider import InstanceShape, instance_shapes
from gpuledger.scrapers.gcp_page import BUILDS, NOT_ON_DEMAND, Build
from gpuledger.scrapers.read_json import array, fields, leaf, mapping, number, per_gb, rows
from gpuledger.scrapers.source import DAILY, Source

COMPUTE_ENGINE = "https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"
PAGE = f"{COMPUTE_ENGINE}?pageSize=5000&currencyCode=USD"
KEY = Credential(variable="GOOGLE_API_KEY", travels_as="query", name="key")

GPUS = {
    "Nvidia Tesla K80 GPU": "K80",
    "Nvidia Tesla P4 GPU": "P4",
    "Nvidia Tesla P100 GPU": "P100",
    "Nvidia Tesla T4 GPU": "T4",
    "Nvidia Tesla V100 GPU": "V100",
    "Nvidia L4 GPU": "L4",
    "Nvidia Tesla A100 GPU": "A100",
    "Nvidia Tesla A100 80GB GPU": "A100 80GB",
    "Nvidia H100 80GB GPU": "H100 80GB",
    "Nvidia H100 80GB Mega GPU": "H100 80GB Mega",
    "Nvidia H100 Mega 80GB GPU": "H100 80GB Mega",
    "Nvidia H100 80GB Plus GPU": "H100 80GB Mega",
    "H200 141GB GPU": "H200 141GB",
    "RTX 6000 96GB": "RTX PRO 6000",
    "A4 Nvidia B200 (1 gpu slice)": "B200",
    "TpuV5e": "TPU v5e",
    "TpuV5p": "TPU v5p",
    "TpuV6e": "TPU v6e",
    "TPU7x": "TPU7x",
}
"""Names in the catalog (2025-06 to 2026-08) and the seed's label; three of them are the A3 Mega GPU."""


OPTIONS: Mapping[str, tuple[PurchaseOption, int | None]] = {
    "on demand": (PurchaseOption.ON_DEMAND, None),
    "spot": (PurchaseOption.SPOT, None),
    "calendar": (PurchaseOption.CAPACITY_BLOCK, None),
    "1 year": (PurchaseOption.RESERVED, 12),
    "3 years": (PurchaseOption.RESERVED, 36),
}
_USAGE_TYPES = {
    "on demand": {"OnDemand"},
    # B200 spot SKUs say OnDemand
    "spot": {"Preemptible", "OnDemand"},
    "calendar": {"OnDemand", "Reserved", "Reservation"},
    "1 year": {"Commit1Yr"},
    "3 years": {"Commit3Yr"},
}
_GIB_PER_GB = Decimal(2**30) / Decimal(10**9)
_UNITS = {
    "core": {"h": Decimal(1)},
    "gpu": {"h": Decimal(1)},
    # newer families price decimal gigabytes
    "ram": {"GiBy.h": Decimal(1), "GBy.h": _GIB_PER_GB},
    "ssd": {"GiBy.mo": 1 / HOURS_PER_MONTH, "GiBy.h": Decimal(1)},
}
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]{1,2}")
_NEAR = ("Americas", "EMEA", "APAC", "Western Europe", "Eastern Europe")


@dataclass(frozen=True)
class PartPrice:
    """One SKU read: US dollars per hour for one of its kind."""

    document: Document
    row: dict[str, Any]
    amount: Decimal
    effective_at: datetime
    region_count: int


PartKey = tuple[str, str, str, str]
"""Kind (`core`, `ram`, `gpu`, `ssd`), family or GPU label, way of buying, region."""


def parse(document: Document) -> Iterator[Fact]:
    """The facts of one page; machines whose parts are all on it."""
    return (fact for _, fact in parse_batch([document]))


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """The facts of all pages. A SKU that ends up in no machine is skipped with the reason."""
    rates: dict[PartKey, list[PartPrice]] = {}
    for document in documents:
        for sku in rows(_page(document).get("skus", []), document, "skus"):
            price = _read(sku, document)
            if isinstance(price, str):
                yield document, Skipped(price, _row(sku))
                continue
            for entry in price:
                if isinstance(entry, tuple):
                    rates.setdefault(entry[0], []).append(entry[1])
                else:
                    yield document, entry
    chosen = {key: rate for key, price in rates.items() if (rate := _choose(price))}
    sold: dict[str, list[tuple[str, str]]] = {}
    for kind, label, way, region in chosen:
        if kind == "gpu":
            sold.setdefault(label, []).append((way, region))
    used: set[str] = set()
    for shape in instance_shapes().values():
        build = BUILDS.get(shape.instance_type.rpartition("-")[0])
        if shape.provider == "gcp" and build:
            for document, fact, parts in _machines(shape, build, sold.get(shape.gpu_label, []), chosen):
                used.update(str(part.row.get("skuId")) for part in parts)
                yield document, fact
    for price in rates.values():
        for rate in price:
            sku_id = str(rate.row.get("skuId"))
            if sku_id not in used:
                used.add(sku_id)
                reason = "two SKUs price this part differently" if _choose(price) is None else _UNUSED
                yield rate.document, Skipped(reason, rate.row)


_UNUSED = "no machine whose other parts are priced in these regions"


def follow(document: Document) -> Iterator[Request]:
    """The next page, as long as the catalog hands out a token."""
    token = _page(document).get("nextPageToken")
    if token is not None and not isinstance(token, str):
        raise document.error(f"nextPageToken is {type(token).__name__}")
    if token:
        yield Request(url=f"{PAGE}&pageToken={quote(token, safe='')}", credential=KEY)


def _page(document: Document) -> dict[str, Any]:
    page = mapping(document.json(), document, "the answer")
    if "error" in page:
        raise document.error(f"the catalog answers with an error: {str(page['error'])[:200]}")
    if "skus" not in page:
        raise document.error(f"no skus; the answer has {sorted(page)!r:.200}")
    return page


def _row(sku: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a SKU: there are tens of thousands, most of them for machines without a GPU."""
    return {key: sku.get(key) for key in ("skuId", "description", "serviceRegions", "pricingInfo")}


def _read(sku: dict[str, Any], document: Document) -> list[tuple[PartKey, PartPrice] | Fact] | str:
    """Rates by key, or storage and transfer prices; else why the SKU is left out."""
    description = sku.get("description")
    if not isinstance(description, str) or not isinstance(sku.get("skuId"), str):
        return "no description or id"
    way, name = way_of_buying(description)
    if not name:
        return way
    what = _what(name)
    tiers, unit, effective_at = _price(sku)
    if what is None and not name.startswith(("Network Internet Data Transfer Out", "Balanced PD Capacity")):
        return "no part of a machine with a GPU"
    if not tiers or effective_at is None:
        return "a price that cannot be read"
    if all(amount == 0 for _, amount in tiers):
        return "a price of zero is not a price"
    listed = array(sku.get("serviceRegions"))
    regions = [region for region in dict.fromkeys(map(str, listed)) if _REGION.fullmatch(region)]
    if not regions or len(regions) != len(listed):
        return "no service regions"
    if str(leaf(sku.get("category"), "usageType")) not in _USAGE_TYPES[way]:
        return "a usage type that contradicts the description"
    if what is None:
        return _storage_or_transfer(name, description, tiers, unit, regions)
    per_hour = _UNITS[what[0]].get(unit)
    paid = {amount for _, amount in tiers if amount > 0}
    if per_hour is None or len(paid) != 1:
        return "an unknown unit, or a price by volume"
    rate = PartPrice(document, _row(sku), paid.pop() * per_hour, effective_at, len(regions))
    return [((*what, way, region), rate) for region in regions]


def way_of_buying(description: str) -> tuple[str, str]:
    """How a SKU is bought and the name of what is bought, or the reason against it and an empty name."""
    text = re.sub(r"\s+", " ", description).strip()
    if text.startswith("Licensing Fee"):
        return "a licence", ""
    if "DWS Defined Duration" in text:
        return "DWS flex-start is queued for, not bought at will", ""
    if re.search(r"Sole Tenancy|Custom|Premium|Virtual Workstation|suspended", text):
        return "sole tenancy, custom, premium or workstation", ""
    if committed := re.fullmatch(r"Commitment v1: (.+) for ([135]) Years?", text):
        term = "1 year" if committed[2] == "1" else f"{committed[2]} years"
        return (term, _place_removed(committed[1])) if term in OPTIONS else ("a term of 5 years", "")
    if reserved := re.fullmatch(r"Reserved (.+) in Calendar Mode", text):
        return "calendar", _place_removed(reserved[1])
    if text.startswith(("Reserved", "Commitment")):
        return "sold only by reservation, without a price of its own", ""
    spot = re.sub(r"^Spot Preemptible | attached to Spot Preemptible VMs", "", text)
    if spot != text:
        return "spot", _place_removed(spot)
    if "reemptible" in text:
        return "another kind of preemptible", ""
    return "on demand", _place_removed(text)


def _place_removed(text: str) -> str:
    return re.split(r" running in | in (?=[A-Z])", text)[0]


def _what(name: str) -> tuple[str, str] | None:
    if name in GPUS:
        return "gpu", GPUS[name]
    if name in ("SSD backed Local Storage", "Local SSD"):
        return "ssd", ""
    part = re.fullmatch(r"(.+?)(?: Instance)? (Core|Cpu|Ram)", name)
    if part and any(part[1] in build.families for build in BUILDS.values()):
        return ("ram" if part[2] == "Ram" else "core"), part[1]
    return None


def _price(sku: Mapping[str, Any]) -> tuple[list[tuple[Decimal, Decimal]], str, datetime | None]:
    """Tiers of (from, US dollars), the unit and the date; no tiers where one cannot be read."""
    infos = array(sku.get("pricingInfo"))
    info = fields(infos[0]) if len(infos) == 1 else {}
    tiers: list[tuple[Decimal, Decimal]] = []
    for tier in array(leaf(info, "pricingExpression", "tieredRates")):
        amount, start = _amount(fields(leaf(tier, "unitPrice"))), number(leaf(tier, "startUsageAmount"))
        if amount is None or start is None or not 0 <= start < 10**12:
            return [], "", None
        tiers.append((start, amount))
    unit = leaf(info, "pricingExpression", "usageUnit")
    return tiers, str(unit), _instant(info.get("effectiveTime"))


def _amount(unit_price: Mapping[str, Any]) -> Decimal | None:
    units, nanos = unit_price.get("units"), number(unit_price.get("nanos"))
    if not isinstance(units, str) or not re.fullmatch(r"[0-9]{1,7}", units):
        return None
    if (
        unit_price.get("currencyCode") != "USD"
        or nanos is None
        or not 0 <= nanos < 10**9
        or nanos != int(nanos)
    ):
        return None
    return Decimal(units) + nanos / 10**9


def _instant(text: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return instant.astimezone(UTC) if instant.tzinfo and 2000 < instant.year < 2200 else None


def _choose(rates: list[PartPrice]) -> PartPrice | None:
    """The rate of a part in a region: that of the SKU for fewest regions; `None` when two disagree."""
    fewest = min(rate.region_count for rate in rates)
    nearest = [rate for rate in rates if rate.region_count == fewest]
    return nearest[0] if len({rate.amount for rate in nearest}) == 1 else None


def _machines(
    shape: InstanceShape, build: Build, sold: Sequence[tuple[str, str]], rates: Mapping[PartKey, PartPrice]
) -> Iterator[tuple[Document, Fact, list[PartPrice]]]:
    """One offer per way of buying and region in which every part has a price, with its parts."""
    for way, region in sold:
        gpu = rates["gpu", shape.gpu_label, way, region]
        if way == "on demand" and NOT_ON_DEMAND.match(shape.instance_type):
            row = {"instance_type": shape.instance_type, "region": region, "sku": gpu.row}
            yield gpu.document, Skipped("sold only as spot, flex-start or by reservation", row), [gpu]
            continue
        needed: list[tuple[PartPrice | None, Decimal]] = [(gpu, shape.gpu_count)]
        priced = [f for f in build.families if any((p, f, way, region) in rates for p in ("core", "ram"))]
        for part, quantity in (("core", shape.vcpus), ("ram", shape.memory_gib)) if build.families else ():
            rate = rates.get((part, priced[0], way, region)) if priced else None
            needed.append((rate, quantity or Decimal(0)))
        if build.ssd_gib_per_gpu:
            needed.append((rates.get(("ssd", "", way, region)), build.ssd_gib_per_gpu * shape.gpu_count))
        parts = [(rate, quantity) for rate, quantity in needed if rate]
        if len(parts) < len(needed):
            continue
        option, months = OPTIONS[way]
        offer = Offer(
            provider="gcp",
            sku=shape.instance_type,
            region=region,
            gpu_label=shape.gpu_label,
            gpu_count=shape.gpu_count,
            purchase_option=option,
            term_months=None if months is None else Decimal(months),
            price=Price(amount=sum((r.amount * q for r, q in parts), Decimal(0)), unit=Unit.HOUR),
            instance_type=shape.instance_type,
            gpu_memory_gib=shape.gpu_memory_gib,
            vcpus=shape.vcpus,
            memory_gib=shape.memory_gib,
            local_storage_gb=build.ssd_gib_per_gpu * shape.gpu_count or None,
            effective_at=max(rate.effective_at for rate, _ in parts),
        )
        yield gpu.document, offer, [rate for rate, _ in parts]


def _storage_or_transfer(
    name: str, description: str, tiers: list[tuple[Decimal, Decimal]], unit: str, regions: list[str]
) -> list[tuple[PartKey, PartPrice] | Fact] | str:
    if name.startswith("Balanced") and unit == "GiBy.mo" and tiers[-1][1] > 0:
        return [
            StoragePrice(
                provider="gcp",
                sku="pd-balanced",
                region=region,
                kind="block",
                amount_per_gb_month=per_gb(tiers[-1][1]),
            )
            for region in regions
        ]
    place = description.rpartition(" to ")[2]
    if not name.startswith("Network") or unit != "GiBy" or place not in _NEAR:
        return "transfer to a special destination, or an unknown unit"
    return [
        TransferPrice(
            provider="gcp",
            sku=f"premium tier to {place}",
            region=region,
            direction="egress",
            amount_per_gb=per_gb(amount),
            from_gb=start,
        )
        for region in regions
        for start, amount in tiers
    ]


SOURCE = Source(
    name="gcp_catalog",
    provider="gcp",
    homepage="https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list",
    every=DAILY,
    requests=(Request(url=PAGE, credential=KEY),),
    parse=parse,
    parse_batch=parse_batch,
    follow=follow,
    contract=Contract(
        min_offers=300, must_have=("h100", "a100", "l4"), usd_per_gpu_hour=between("0.05", "60")
    ),
    covers="on-demand, spot, committed and calendar-mode prices of GPU machines and TPUs; disks, egress",
    licence="official catalog; Google Cloud APIs Terms of Service, free key",
)

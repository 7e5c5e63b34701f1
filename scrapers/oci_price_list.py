"""Oracle's public price list and the Cost Estimator's shapes, keyless, in US dollars.

A GPU part number costs so much per GPU-hour, the same in all commercial regions; shapes say how many GPUs an
instance has. Parts are told by number, never by name: licences are sold "per GPU hour" too. Preemptible
capacity has no row of its own: it costs half where a shape allows it. Tiered services begin with a free tier
that is not their price. Rows carry no date.

Outbound transfer is priced by three groups of origins. GPU shapes are listed for no region in particular
(`global`); the largest group, North America, Europe and the UK, stands for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.provider import InstanceShape, instance_shape
from gpuledger.scrapers.read_json import LEAST_AMOUNT, mapping, number, rows
from gpuledger.scrapers.source import DAILY, Source

PRICES = "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/?currencyCode=USD"
SHAPES = "https://www.oracle.com/a/ocom/docs/cloudestimator2/data/shapes.json"
PREEMPTIBLE_SHARE = Decimal("0.5")
"""Preemptible instances cost 50 % less: Oracle, Preemptible Instances documentation, read 2026."""
GPU_PARTS: Mapping[str, tuple[str, ...]] = {
    "B88517": ("BM.GPU2.2",),
    "B88518": ("VM.GPU2.1",),
    "B89734": ("VM.GPU3.1", "VM.GPU3.2", "VM.GPU3.4", "BM.GPU3.8"),
    "B92740": ("BM.GPU4.8",),
    "B95907": ("BM.GPU.A100-v2.8",),
    "B95909": ("VM.GPU.A10.1", "VM.GPU.A10.2", "BM.GPU.A10.4"),
    "B98415": ("BM.GPU.H100.8",),
    "B109479": ("BM.GPU.L40S.4",),
    "B109485": ("BM.GPU.MI300X.8",),
    "B110519": ("BM.GPU.H200.8",),
    "B110978": ("BM.GPU.B200.8",),
    "B110979": ("BM.GPU.GB200.4",),
    "B111758": ("BM.GPU.MI355X.8",),
    "B112140": ("BM.GPU.GB300.4",),
    "B112237": ("BM.GPU.B300.8",),
    "B112613": ("BM.GPU.RTXPRO.8",),
}
"""Shapes billed by a part, for when the estimator is not at hand (Oracle compute price list, 2026-09)."""
STORAGE_PARTS = {
    "B91961": "block",
    "B91628": "object",
    "B91633": "archive",
    "B89057": "file",
    "B111091": "file",
}
TRANSFER_PARTS = {"B88327": "global", "B93455": "apac-jp-sa", "B93456": "mea"}


@dataclass(frozen=True)
class Part:
    """A row of the price list: tiers of (from, US dollars)."""

    document: Document
    item: dict[str, Any]
    tiers: list[tuple[Decimal, Decimal]]

    @property
    def amount(self) -> Decimal | None:
        """The price where there is but one, a free first tier not counted."""
        paid = {amount for _, amount in self.tiers if amount > 0}
        return paid.pop() if len(paid) == 1 else None

    @property
    def metric(self) -> str:
        return str(self.item.get("metricName"))


@dataclass(frozen=True)
class OracleShape:
    """An instance shape: name, GPUs, parts billed beside the GPU's, and what the seed knows of it."""

    name: str
    gpu_count: Decimal
    extras: tuple[tuple[str, Decimal], ...]
    is_preemptible: bool
    memory_gib: Decimal | None
    seeded: InstanceShape | None


def parse(document: Document) -> Iterator[Fact]:
    """The facts of one document; a price list alone is read with the shapes that the seed knows."""
    return (fact for _, fact in parse_batch([document]))


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """The facts of price list and shapes together."""
    parts: dict[str, Part] = {}
    shapes: dict[str, list[OracleShape]] = {}
    listed: list[tuple[str, Document, dict[str, Any]]] = []
    for document in documents:
        items = list(rows(mapping(document.json(), document, "the answer").get("items"), document, "items"))
        is_price_list = any("partNumber" in item for item in items)
        if is_price_list:
            for item in items:
                part, reason = _part(item, document)
                before = parts.get(str(item.get("partNumber")))
                if part is None:
                    yield document, Skipped(reason, item)
                elif before is None:
                    parts[str(item["partNumber"])] = part
                elif before.tiers == part.tiers:
                    yield document, Skipped("listed twice", item)
                else:
                    raise document.error(f"two prices of part {item['partNumber']!r:.40}")
        elif items and not any("shapeType" in item or "gpuQty" in item for item in items):
            raise document.error(f"neither parts nor shapes; the first has {sorted(items[0])!r:.200}")
        for item in () if is_price_list else items:
            gpu_part, shape, reason = _shape(item)
            if shape is None:
                yield document, Skipped(reason, item)
            elif not any(shape.name == other.name for others in shapes.values() for other in others):
                shapes.setdefault(gpu_part, []).append(shape)
                listed.append((gpu_part, document, item))
            else:
                yield document, Skipped("listed twice", item)
    for gpu_part, document, item in listed:
        if gpu_part not in parts:
            yield document, Skipped("a shape without the price of its part", item)
    if not shapes:
        shapes = {part: [_seeded(name) for name in names] for part, names in GPU_PARTS.items()}
    for number_of_part, part in parts.items():
        yield from ((part.document, fact) for fact in _part_facts(number_of_part, part, shapes, parts))


def follow(document: Document) -> Iterator[Request]:
    """The next page of the price list, where there is one."""
    links: Any = mapping(document.json(), document, "the answer").get("links")
    for link in rows(links or [], document, "links"):
        if link.get("rel") == "next":
            href = link.get("href")
            if not isinstance(href, str) or not href.startswith("https://apexapps.oracle.com/"):
                raise document.error(f"the next page leads away: {href!r:.200}")
            yield Request(url=href)


def _part(item: dict[str, Any], document: Document) -> tuple[Part | None, str]:
    code = item.get("partNumber")
    if not isinstance(code, str) or not re.fullmatch(r"B[0-9]{5,6}", code):
        return None, "no part number"
    listed: Any = item.get("currencyCodeLocalizations") or [
        {"currencyCode": "USD", "prices": item.get("prices")}
    ]
    for local in rows(listed, document, "currencyCodeLocalizations"):
        if local.get("currencyCode") != "USD":
            continue
        tiers: list[tuple[Decimal, Decimal]] = []
        for price in rows(local.get("prices") or [], document, "prices"):
            amount = number(price.get("value"))
            start = number(price.get("rangeMin")) if price.get("rangeMin") is not None else Decimal(0)
            if price.get("model") != "PAY_AS_YOU_GO" or amount is None or start is None or start < 0:
                return None, "a price that is not pay as you go, or not a number"
            if not (amount == 0 or LEAST_AMOUNT <= amount < 10**9) or start > 10**15 or start != int(start):
                return None, "a price out of all bounds"
            tiers.append((start, amount))
        return (Part(document, item, tiers), "") if tiers else (None, "no price")
    return None, "not in US dollars"


def _shape(item: dict[str, Any]) -> tuple[str, OracleShape | None, str]:
    """Part number of the GPU, the shape, and why there is none."""
    name = str(item.get("name")).partition(" (")[0]
    count, products = number(item.get("gpuQty")), item.get("products")
    if not count or not 0 < count <= 64:
        return "", None, "no GPU"
    if item.get("hidden") is not False or item.get("status") != "ACTIVE":
        return "", None, "a shape that is not sold"
    entries: list[Any] = list(products) if isinstance(products, list) else []  # pyright: ignore[reportUnknownArgumentType]
    parts = [entry for entry in (_product(entry) for entry in entries) if entry]
    gpu = [code for kind, code, _ in parts if kind == "ocpu"]
    seeded = instance_shape("oci", name)
    if len(parts) != len(entries) or len(gpu) != 1:
        return "", None, "a shape whose parts cannot be read"
    # all GPU shapes are named after their count, which catches a quantity of something else
    if not re.fullmatch(rf"(BM|VM)\.[\w.-]{{1,40}}\.{count:f}", name) or (
        seeded and seeded.gpu_count != count
    ):
        return "", None, "a GPU quantity that contradicts the name"
    memory = number(item.get("bundleMemoryQty"))
    shape = OracleShape(
        name=name,
        gpu_count=count,
        extras=tuple((code, quantity) for kind, code, quantity in parts if kind != "ocpu"),
        is_preemptible=item.get("allowPreemptible") is True,
        memory_gib=memory if memory and 0 < memory < 10**6 else None,
        seeded=seeded,
    )
    return gpu[0], shape, ""


def _product(entry: Any) -> tuple[str, str, Decimal] | None:
    product: dict[str, Any] = entry if isinstance(entry, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    kind: Any = product.get("type")
    value: Any = kind.get("value") if isinstance(kind, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    code, quantity = product.get("partNumber"), number(product.get("qty"))
    if value not in ("ocpu", "memory", "disk") or not isinstance(code, str) or quantity is None:
        return None
    if not 0 < quantity < 10**6:
        return None
    return value, code, quantity


def _seeded(name: str) -> OracleShape:
    seeded = instance_shape("oci", name)
    assert seeded is not None, f"the seed lacks {name}"
    return OracleShape(name, seeded.gpu_count, (), False, seeded.memory_gib, seeded)


def _part_facts(
    code: str, part: Part, shapes: Mapping[str, list[OracleShape]], parts: Mapping[str, Part]
) -> Iterator[Fact]:
    item, name = part.item, str(part.item.get("displayName"))
    if code in STORAGE_PARTS or code in TRANSFER_PARTS:
        yield from _volume_facts(code, part)
    elif "GPU" not in f"{name} {part.metric} {item.get('serviceCategory')}":
        yield Skipped("another service", item)
    elif re.search(r"enterprise|licen[cs]e|@customer", name, re.IGNORECASE):
        yield Skipped("a licence or Cloud@Customer, not a GPU by the hour", item)
    elif part.metric != "GPU Per Hour":
        yield Skipped("not sold per GPU-hour", item)
    elif part.amount is None:
        yield Skipped("no price, or one by volume", item)
    elif not isinstance(item.get("displayName"), str) or len(name) > 200:
        yield Skipped("no name", item)
    elif not shapes.get(code):
        yield Skipped("no shape is billed by this part", item)
    else:
        for shape in shapes[code]:
            yield from _shape_offers(shape, part, part.amount, parts)


def _shape_offers(
    shape: OracleShape, part: Part, amount: Decimal, parts: Mapping[str, Part]
) -> Iterator[Fact]:
    unit = Unit.GPU_HOUR
    if shape.extras:
        beside = [(parts.get(code), quantity) for code, quantity in shape.extras]
        if any(extra is None or extra.amount is None or "Hour" not in extra.metric for extra, _ in beside):
            yield Skipped("a part of the shape is not priced by the hour", {"shape": shape.name, **part.item})
            return
        amount *= shape.gpu_count
        amount += sum(extra.amount * quantity for extra, quantity in beside if extra and extra.amount)
        unit = Unit.HOUR
    label = shape.seeded.gpu_label if shape.seeded else part.item["displayName"].rpartition("GPU - ")[2]
    options = [(PurchaseOption.ON_DEMAND, amount)]
    if shape.is_preemptible:
        options.append((PurchaseOption.SPOT, amount * PREEMPTIBLE_SHARE))
    for option, cost in options:
        yield Offer(
            provider="oci",
            sku=shape.name,
            region="global",
            gpu_label=label,
            gpu_count=shape.gpu_count,
            purchase_option=option,
            price=Price(amount=cost, unit=unit),
            instance_type=shape.name,
            gpu_memory_gib=shape.seeded.gpu_memory_gib if shape.seeded else None,
            vcpus=shape.seeded.vcpus if shape.seeded else None,
            memory_gib=shape.memory_gib or (shape.seeded.memory_gib if shape.seeded else None),
        )


def _volume_facts(code: str, part: Part) -> Iterator[Fact]:
    starts = [start for start, _ in part.tiers]
    if len(set(starts)) < len(starts) or part.amount is None or "gigabyte" not in part.metric.lower():
        yield Skipped("tiers without their bounds, or not by the gigabyte", part.item)
        return
    for start, amount in part.tiers:
        if code in TRANSFER_PARTS:
            yield TransferPrice(
                provider="oci",
                sku=code,
                region=TRANSFER_PARTS[code],
                direction="egress",
                amount_per_gb=amount,
                from_gb=start,
            )
        else:
            yield StoragePrice(
                provider="oci",
                sku=code,
                kind=STORAGE_PARTS[code],
                amount_per_gb_month=amount,
                from_gb=start,
            )


SOURCE = Source(
    name="oci_price_list",
    provider="oci",
    homepage="https://www.oracle.com/cloud/price-list/",
    every=DAILY,
    requests=(Request(url=PRICES), Request(url=SHAPES)),
    fallback=(Request(url=PRICES),),
    parse=parse,
    parse_batch=parse_batch,
    follow=follow,
    contract=Contract(min_offers=8, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.3", "60")),
    covers="on-demand and preemptible GPU shapes; block, object, archive and file storage; outbound transfer",
    licence="public price list and estimator data without a key; list prices before taxes",
)

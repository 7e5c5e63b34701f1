"""Azure Retail Prices API: all N-series sizes of all regions, keyless, in US dollars.

Consumption and spot rows are per VM-hour. A reservation's amount is the total of its term although its
`unitOfMeasure` says "1 Hour"; savings-plan rates hang on consumption rows and are per VM-hour again. Rows are
dated by `effectiveStartDate`, which may lie in the future. The API names no hardware: GPU counts come from
the seed. A size that the seed does not know keeps its price under its own name, as one accelerator that `unmapped`
shows: what is in it is not guessed, and no quote takes it. Disks are sold by size in GiB; a GB-month is the disk's
price over its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.parse import urlencode, urlsplit

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.core.provider import InstanceShape, instance_shape
from gpuledger.core.published import usd_per_hour
from gpuledger.scrapers.read_json import LEAST_AMOUNT, array, fields, mapping, number, per_gb, rows, within
from gpuledger.scrapers.source import TWICE_A_DAY, Source

HOST = "prices.azure.com"
TERMS = {"1 Year": 12, "3 Years": 36, "5 Years": 60}
DISK_GIB = {"P30 LRS": 1024}
"""Managed disk sizes: https://learn.microsoft.com/azure/virtual-machines/disks-types, read 2026."""
FILTERS = (
    *(
        f"serviceName eq 'Virtual Machines' and contains(armSkuName,'Standard_{family}')"
        for family in ("NC", "ND", "NG", "NV")
    ),
    "serviceName eq 'Bandwidth' and meterName eq 'Standard Data Transfer Out'",
    "serviceName eq 'Storage' and skuName eq 'P30 LRS' and priceType eq 'Consumption'",
    "serviceName eq 'Storage' and meterName eq 'Hot LRS Data Stored' and priceType eq 'Consumption'",
)
"""One condition per request: `or` fails in some versions of the API, `startswith` in all."""

_REGION = re.compile(r"[a-z]{4,}[0-9]?")
_SIZE = re.compile(r"Standard_N[A-Z]{1,2}(\d{1,4})[A-Za-z]*(?:_[A-Za-z0-9]+)*")
_PRODUCT = re.compile(r"Virtual Machines|Series|Srs")


@dataclass(frozen=True)
class RetailRow:
    """One published row of a machine and the offer in it."""

    document: Document
    item: dict[str, Any]
    offer: Offer

    @property
    def machine(self) -> tuple[str, str]:
        return self.offer.sku, self.offer.region


def parse(document: Document) -> Iterator[Fact]:
    """The facts of one page."""
    return (fact for _, fact in parse_batch([document]))


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """The facts of all pages: one offer per identity; a spot row and its on-demand row may lie on different
    pages, and only together do they show that the spot price is a placeholder."""
    retail_rows: list[RetailRow] = []
    for document in documents:
        page = mapping(document.json(), document, "the answer")
        for item in rows(page.get("Items"), document, "Items"):
            for fact in _facts(item, document):
                if isinstance(fact, Offer):
                    retail_rows.append(RetailRow(document, item, fact))
                else:
                    yield document, fact
    retail_rows.sort(key=lambda row: (row.machine, row.offer.offer_id))
    judged = [
        entry
        for _, same in groupby(retail_rows, lambda row: row.offer.offer_id)
        for entry in _choose([*same])
    ]
    full = _full_prices(row.offer for row, reason in judged if not reason)
    for row, reason in judged:
        is_spot = row.offer.purchase_option is PurchaseOption.SPOT
        if not reason and is_spot and row.offer.price.amount >= full.get(row.machine, Decimal("Infinity")):
            reason = "spot at the full price is a placeholder"
        yield row.document, Skipped(reason, row.item) if reason else row.offer


def _full_prices(offers: Iterable[Offer]) -> dict[tuple[str, str], Decimal]:
    """US dollars per VM-hour that real spot stays below: on-demand or, where that is not at hand, the dearest
    commitment."""
    full: dict[tuple[str, str], Decimal] = {}
    for offer in sorted(
        offers, key=lambda offer: (offer.purchase_option is PurchaseOption.ON_DEMAND, usd_per_hour(offer))
    ):
        if offer.purchase_option is not PurchaseOption.SPOT:
            full[offer.sku, offer.region] = usd_per_hour(offer)
    return full


def follow(document: Document) -> Iterator[Request]:
    """The next page, as long as the API names one on its own host."""
    link = mapping(document.json(), document, "the answer").get("NextPageLink")
    if link is None or link == "":
        return
    if not isinstance(link, str) or not re.match(rf"https://{re.escape(HOST)}(:443)?/", link):
        raise document.error(f"NextPageLink leads away from {HOST}: {link!r:.200}")
    parts = urlsplit(link)
    url = parts._replace(netloc=HOST).geturl()
    if url == document.request.url:
        raise document.error("NextPageLink leads to the page itself")
    yield Request(url=url)


def _choose(same: list[RetailRow]) -> list[tuple[RetailRow, str]]:
    """The row in force of one identity, with an empty reason, and the others with why not."""
    starts = [row.offer.effective_at for row in same]
    latest = max(start for start in starts if start)
    current = [row for row in same if row.offer.effective_at == latest]
    superseded = [(row, "superseded by a later price") for row in same if row.offer.effective_at != latest]
    if len({row.offer.price.amount for row in current}) == 1:
        return [
            (current[0], ""),
            *((row, "the same under another meter") for row in current[1:]),
            *superseded,
        ]
    if len({str(row.item.get("skuId")) for row in current}) < len(current):
        raise current[0].document.error(f"two prices of {current[0].offer.sku} under one skuId")
    return [*((row, "two meters price this differently") for row in current), *superseded]


def _facts(item: dict[str, Any], document: Document) -> Iterator[Fact]:
    text = {key: value for key, value in item.items() if isinstance(value, str) and len(value) < 200}
    amount, region = number(item.get("retailPrice")), text.get("armRegionName", "").lower()
    starts_at, ends_at = (_instant(text.get(f"effective{end}Date", "")) for end in ("Start", "End"))
    if text.get("currencyCode") != "USD":
        yield Skipped("not in US dollars", item)
    elif starts_at is None or starts_at > document.fetched_at:
        yield Skipped("no effective date, or one in the future", item)
    elif ends_at and ends_at <= document.fetched_at:
        yield Skipped("the price has ended", item)
    elif not _REGION.fullmatch(region) or region == "global":
        yield Skipped("no region", item)
    elif region.startswith(("usgov", "usdod")):
        yield Skipped("government region", item)
    elif (
        amount is None
        or not (amount == 0 or LEAST_AMOUNT <= amount < 10**9)
        or item.get("unitPrice") != item.get("retailPrice")
    ):
        yield Skipped("no price, or two that differ", item)
    elif item.get("isPrimaryMeterRegion") is not True:
        yield Skipped("repeats the price of its primary meter region", item)
    elif text.get("serviceName") in ("Bandwidth", "Storage"):
        yield _storage_or_transfer(item, text, amount, region)
    else:
        yield from _machine_facts(item, text, amount, region, starts_at)


def _machine_facts(
    item: dict[str, Any], text: dict[str, str], amount: Decimal, region: str, starts_at: datetime
) -> Iterator[Fact]:
    size = text.get("armSkuName", "")
    shape = instance_shape("azure", size) or _unknown_shape(size)
    reason = _refusal(item, text, amount)
    if reason or shape is None or shape.gpu_count == 0:
        yield Skipped(reason or ("no size of an N series" if shape is None else "no GPU"), item)
    elif text["type"] == "Reservation":
        months = TERMS[text["reservationTerm"]]
        yield _offer(shape, region, PurchaseOption.RESERVED, amount, Unit.TERM, starts_at, months)
    else:
        spot = "spot" in f"{text['meterName']} {text['skuName']}".lower().split()
        option = PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND
        yield _offer(shape, region, option, amount, Unit.HOUR, starts_at)
        for months, rate in _savings_plans(item):
            if rate is None or rate > amount:
                yield Skipped("a savings plan without a believable rate", item)
            else:
                kind = PurchaseOption.RESERVED
                yield _offer(shape, region, kind, rate, Unit.HOUR, starts_at, months, "savings_plan")


def _unknown_shape(size: str) -> InstanceShape | None:
    """A size of an N series that is not in the seed: its name says its vCPUs, and nothing its GPUs."""
    match = _SIZE.fullmatch(size)
    if match is None:
        return None
    return InstanceShape(
        provider="azure",
        instance_type=size,
        gpu_label=size,
        gpu_count=Decimal(1),
        gpu_memory_gib=None,
        vcpus=Decimal(match[1]),
        memory_gib=None,
        source="the size's name",
    )


def _refusal(item: dict[str, Any], text: dict[str, str], amount: Decimal) -> str:
    """Why this row is no plain Linux price of a machine; empty when it is one."""
    product, kind = text.get("productName", ""), text.get("type")
    names = f"{text.get('meterName', '')} {text.get('skuName', '')}".lower()
    refusals = (
        ("another service", text.get("serviceName") != "Virtual Machines"),
        ("no product, meter or sku name", not (text.get("meterName") and text.get("skuName"))),
        ("a product that is not a machine series", not _PRODUCT.search(product)),
        ("DevTest", kind == "DevTestConsumption"),
        ("Windows", product.endswith((" Windows", " Win"))),
        ("Cloud Services", "cloudservices" in product.lower().replace(" ", "")),
        ("dedicated host", "dedicated" in product.lower()),
        ("Low Priority is sold to Batch only", "low priority" in names),
        ("another kind of price", kind not in ("Consumption", "Reservation")),
        ("no term of 1, 3 or 5 years", kind == "Reservation" and text.get("reservationTerm") not in TERMS),
        ("a term on a price by the hour", kind == "Consumption" and bool(item.get("reservationTerm"))),
        ("a price of zero is not a price", amount == 0),
        ("not sold by the hour", text.get("unitOfMeasure") != "1 Hour"),
        ("a volume tier of a machine", number(item.get("tierMinimumUnits")) != 0),
    )
    return next((reason for reason, holds in refusals if holds), "")


def _savings_plans(item: dict[str, Any]) -> Iterator[tuple[int, Decimal | None]]:
    """Months and rate per VM-hour; a rate that cannot be read is `None`."""
    for plan in array(item.get("savingsPlan")):
        months = TERMS.get(str(fields(plan).get("term")), 0)
        rate = within(fields(plan).get("retailPrice"), 10**6)
        yield months, rate if months else None


def _offer(
    shape: InstanceShape,
    region: str,
    option: PurchaseOption,
    amount: Decimal,
    unit: Unit,
    starts_at: datetime,
    months: int | None = None,
    payment: str | None = None,
) -> Offer:
    return Offer(
        provider="azure",
        sku=shape.instance_type,
        region=region,
        gpu_label=shape.gpu_label,
        gpu_count=shape.gpu_count,
        purchase_option=option,
        term_months=None if months is None else Decimal(months),
        payment=payment,
        price=Price(amount=amount, unit=unit),
        instance_type=shape.instance_type,
        gpu_memory_gib=shape.gpu_memory_gib,
        vcpus=shape.vcpus,
        memory_gib=shape.memory_gib,
        effective_at=starts_at,
    )


def _storage_or_transfer(item: dict[str, Any], text: dict[str, str], amount: Decimal, region: str) -> Fact:
    product, meter, unit = (text.get(key, "") for key in ("productName", "meterName", "unitOfMeasure"))
    from_gb, size = number(item.get("tierMinimumUnits")), DISK_GIB.get(text.get("skuName", ""))
    if (
        from_gb is None
        or not 0 <= from_gb < 10**12
        or from_gb != int(from_gb)
        or text.get("type") != "Consumption"
    ):
        return Skipped("no product, volume tier or kind of price", item)
    if "Preference: " in product and meter == "Standard Data Transfer Out" and unit == "1 GB":
        return TransferPrice(
            provider="azure",
            sku=product,
            region=region,
            direction="egress",
            amount_per_gb=amount,
            from_gb=from_gb,
        )
    kind, price = "", amount
    if "Blob" in product and meter == "Hot LRS Data Stored" and unit == "1 GB/Month":
        kind = "object"
    elif (
        size
        and "Disks" in product
        and meter in ("P30 LRS Disk", "P30 Disks", "P30 Disk")
        and unit == "1/Month"
    ):
        kind, price = "block", per_gb(amount / size)
    if kind and price > 0:
        sku = f"{product} {'Hot LRS' if kind == 'object' else 'P30 LRS'}"
        return StoragePrice(
            provider="azure", sku=sku, region=region, kind=kind, amount_per_gb_month=price, from_gb=from_gb
        )
    return Skipped("not a price of keeping or moving data", item)


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant if 2000 < instant.year < 2200 else None


def _request(condition: str) -> Request:
    query = {"api-version": "2023-01-01-preview", "meterRegion": "'primary'", "$filter": condition}
    return Request(url=f"https://{HOST}/api/retail/prices?{urlencode(query, safe='$(),')}")


SOURCE = Source(
    name="azure_retail",
    provider="azure",
    homepage="https://azure.microsoft.com/pricing/",
    every=TWICE_A_DAY,
    requests=tuple(_request(condition) for condition in FILTERS),
    parse=parse,
    parse_batch=parse_batch,
    follow=follow,
    contract=Contract(min_offers=300, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.02", "400")),
    covers="on-demand, spot, reservations and savings plans of all N-series sizes; egress, a disk, blobs",
    licence="public API without a key, made for estimates; list prices before taxes",
)

"""OVHcloud: the order catalogue of Public Cloud, keyless, before tax; euros, in the US book dollars.

`price` is an integer of 1e-8 currency units; the row's own `formattedPrice`, rounded to cents, checks the
scale. The period stands in the plan code: `h100-380.consumption` is an hour, `h100-380.monthly.postpaid` a
month (a commitment of one), `ai-training.h100-1-gpu.minute.consumption` a minute; `intervalUnit` reads
"none" for both in the US book. Add-ons of managed services carry a `gpu` of the same shape at prices per
minute, so only plan codes of these three forms count. Windows flavours are the same machines with a licence
(answers of 2026-08-22, read from a public collector's notes). The US company has a book of its own, and its
prices a region of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from core.contract import Contract, between
from core.document import Document, Request
from core.money import Price, Unit
from core.offer import Availability, Fact, PurchaseOption, Skipped
from scrapers.reading import array, each_once, leaf, mapping, priced, rows, text, within
from scrapers.source import DAILY, Source

UNITS_PER_CURRENCY = 10**8
INSTANCE = re.compile(
    r"(?P<flavor>(?:win-)?[a-z][a-z0-9]*(?:-[a-z]+)?-[0-9]+)"
    r"\.(?P<period>consumption|monthly\.postpaid)(?:\.(?P<place>[A-Za-z0-9.-]{1,20}))?"
)
TRAINING = re.compile(r"ai-training\.(?P<flavor>[a-z0-9-]+-(?P<count>[0-9]{1,2})-gpu)\.minute\.consumption")
SHOWN_AMOUNT = re.compile(r"[^0-9]*([0-9]{1,9})[.,]([0-9]{2})[^0-9]*")
HALF_A_CENT = Decimal("0.005")
REGIONS = {"FR": "global", "US": "us"}
"""By subsidiary: the FR book counts for all regions outside the United States."""


def parse(document: Document) -> Iterator[Fact]:
    """Offers of one subsidiary's catalogue.

    Raises:
        ParseError: no currency, an unknown subsidiary, or no list of add-ons.
    """
    answer = mapping(document.json(), document, "answer")
    currency = text(leaf(answer, "locale", "currencyCode"))
    subsidiary = text(leaf(answer, "locale", "subsidiary"))
    if currency not in ("EUR", "USD") or subsidiary not in REGIONS:
        raise document.error(f"a book of {str(subsidiary)[:20]!r} in {str(currency)[:20]!r}")
    book = {"region": REGIONS[subsidiary], "currency": currency}
    addons = rows(answer.get("addons"), document, "addons")
    return each_once((_addon(row, book) for row in addons), document)


def _addon(row: Mapping[str, Any], book: Mapping[str, str]) -> Fact:
    code = text(row.get("planCode"))
    shown = {"planCode": code, "pricings": row.get("pricings")}
    if leaf(row, "blobs", "technical", "gpu") is None:
        return Skipped("no accelerator", {"planCode": code, "product": row.get("product")})
    instance, training = INSTANCE.fullmatch(code or ""), TRAINING.fullmatch(code or "")
    found = instance or training
    if found is None or code is None:
        return Skipped("neither an instance nor AI Training", shown)
    if code.startswith("win-") or leaf(row, "blobs", "technical", "os", "family") == "windows":
        return Skipped("Windows licence included", shown)
    listed = array(row.get("pricings"))
    if len(listed) != 1:
        return Skipped("not exactly one price", shown)
    amount = _amount(listed[0])
    if amount is None:
        return Skipped("no price, or it contradicts the displayed one", shown)
    label, count = _gpu(row)
    if label is None or count is None or (training and Decimal(training["count"]) != count):
        return Skipped("no GPU name or count", shown)
    place = instance["place"] if instance else None
    return priced(
        shown,
        provider="ovh",
        sku=code,
        region=f"{book['region']} {place}" if place else book["region"],
        gpu_label=label,
        gpu_count=count,
        gpu_memory_gib=within(leaf(row, "blobs", "technical", "gpu", "memory", "size"), 4096),
        instance_type=found["flavor"],
        vcpus=within(leaf(row, "blobs", "technical", "cpu", "cores"), 10_000),
        memory_gib=within(leaf(row, "blobs", "technical", "memory", "size"), 1_000_000),
        availability=Availability.SOLD_OUT if "coming_soon" in _tags(row) else Availability.UNKNOWN,
        **_bought(instance["period"] if instance else "minute", amount, book["currency"]),
    )


def _amount(pricing: Any) -> Decimal | None:
    price = leaf(pricing, "price")
    units = within(price, 10**14) if isinstance(price, int) else None
    if units is None:
        return None
    amount = units / UNITS_PER_CURRENCY
    displayed = text(leaf(pricing, "formattedPrice"))
    if displayed is None:
        return amount
    match = SHOWN_AMOUNT.fullmatch(displayed.replace("\u202f", "").replace("\u00a0", ""))
    agrees = match is not None and abs(Decimal(f"{match[1]}.{match[2]}") - amount) <= HALF_A_CENT
    return amount if agrees else None


def _gpu(row: Mapping[str, Any]) -> tuple[str | None, Decimal | None]:
    gpu = leaf(row, "blobs", "technical", "gpu")
    count = within(leaf(gpu, "number"), 64)
    return text(leaf(gpu, "model")), count if count is not None and count % 1 == 0 else None


def _tags(row: Mapping[str, Any]) -> list[Any]:
    return array(leaf(row, "blobs", "tags"))


def _bought(period: str, amount: Decimal, currency: str) -> dict[str, Any]:
    if period == "monthly.postpaid":
        return {
            "purchase_option": PurchaseOption.RESERVED,
            "term_months": Decimal(1),
            "price": Price(amount=amount, currency=currency, unit=Unit.MONTH),
        }
    hourly = amount * 60 if period == "minute" else amount
    return {
        "purchase_option": PurchaseOption.ON_DEMAND,
        "price": Price(amount=hourly, currency=currency, unit=Unit.HOUR),
    }


SOURCE = Source(
    name="ovh",
    homepage="https://www.ovhcloud.com/en/public-cloud/prices/",
    every=DAILY,
    requests=(
        Request(url="https://api.ovh.com/1.0/order/catalog/public/cloud?ovhSubsidiary=FR"),
        Request(url="https://api.us.ovhcloud.com/1.0/order/catalog/public/cloud?ovhSubsidiary=US"),
    ),
    parse=parse,
    contract=Contract(min_offers=6, must_have=("h100",), usd_per_gpu_hour=between("0.1", "20")),
    covers="GPU instances by the hour and month and AI Training by the minute; euros, in the US dollars",
    licence="public API, keyless for catalogues; no licence for the data is stated",
)

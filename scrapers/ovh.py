"""OVHcloud: the order catalogue of Public Cloud, keyless, before tax; euros, in the US book dollars.

`price` is an integer of 1e-8 currency units; the row's own `formattedPrice`, rounded to cents, checks the
scale. The period stands in the plan code: `h100-380.consumption` is an hour, `h100-380.monthly.postpaid` a
month (a commitment of one), `ai-training.h100-1-gpu.minute.consumption` a minute. Add-ons of managed services
carry a `gpu` of the same shape at prices per minute, so only plan codes of these three forms count. Windows
flavours are the same machines with a licence (answers of 2026-08-22, read from a public collector's notes). A
block volume's price is per GB and hour, as OVHcloud's own console reads it (ovh/manager, 2025). The US company
has a book of its own, and its prices a region of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import HOURS_PER_MONTH, Price, Unit
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped, StoragePrice
from gpuledger.scrapers.read_json import (
    array,
    charged,
    divided,
    each_once,
    leaf,
    mapping,
    picked,
    priced,
    rows,
    text,
    within,
)
from gpuledger.scrapers.source import DAILY, Source

UNITS_PER_CURRENCY = 10**8
PLACE = r"(?:\.(?P<place>[A-Za-z0-9.-]{1,20}))?"
INSTANCE = re.compile(
    rf"(?P<flavor>(?:win-)?[a-z][a-z0-9]*(?:-[a-z]+)?-[0-9]+)\.(?P<period>consumption|monthly\.postpaid){PLACE}"
)
TRAINING = re.compile(r"ai-training\.(?P<flavor>[a-z0-9-]+-(?P<count>[0-9]{1,2})-gpu)\.minute\.consumption")
VOLUME = re.compile(rf"volume\.(?:classic|high-speed(?:-gen2)?)\.consumption{PLACE}")
BOUGHT = {
    "consumption": (PurchaseOption.ON_DEMAND, None, 1, Unit.HOUR),
    "minute": (PurchaseOption.ON_DEMAND, None, 60, Unit.HOUR),
    "monthly.postpaid": (PurchaseOption.RESERVED, Decimal(1), 1, Unit.MONTH),
}
"""By period: how, for how many months, how often the price is paid per unit, and the unit."""
MOST_PER_GB_HOUR = Decimal("0.001")
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
    code, shown = text(row.get("planCode")) or "", picked(row, "planCode", "pricings")
    hardware, tags = leaf(row, "blobs", "technical"), array(leaf(row, "blobs", "tags"))
    instance, training, volume = (kind.fullmatch(code) for kind in (INSTANCE, TRAINING, VOLUME))
    amount = _amount(shown["pricings"])
    if volume:
        return Skipped(amount, shown) if isinstance(amount, str) else _volume(shown, volume, amount, book)
    if leaf(hardware, "gpu") is None:
        return Skipped("no accelerator", picked(row, "planCode", "product"))
    product = instance or training
    if product is None:
        return Skipped("neither an instance nor AI Training", shown)
    if code.startswith("win-") or leaf(hardware, "os", "family") == "windows":
        return Skipped("Windows licence included", shown)
    if isinstance(amount, str):
        return Skipped(amount, shown)
    label, count = text(leaf(hardware, "gpu", "model")), within(leaf(hardware, "gpu", "number"), 64)
    if label is None or count is None or count % 1 or (training and Decimal(training["count"]) != count):
        return Skipped("no GPU name or count", shown)
    option, months, times, unit = BOUGHT[instance["period"] if instance else "minute"]
    return priced(
        shown,
        provider="ovh",
        sku=code,
        region=_region(book, instance["place"] if instance else None),
        gpu_label=label,
        gpu_count=count,
        gpu_memory_gib=within(leaf(hardware, "gpu", "memory", "size"), 4096),
        instance_type=product["flavor"],
        vcpus=within(leaf(hardware, "cpu", "cores"), 10_000),
        memory_gib=within(leaf(hardware, "memory", "size"), 1_000_000),
        availability=Availability.SOLD_OUT if "coming_soon" in tags else Availability.UNKNOWN,
        purchase_option=option,
        term_months=months,
        price=Price(amount=amount * times, currency=book["currency"], unit=unit),
    )


def _volume(row: Any, plan: re.Match[str], per_hour: Decimal, book: Mapping[str, str]) -> Fact:
    if per_hour > MOST_PER_GB_HOUR:
        return Skipped("not a price per GB and hour", row)
    where = {"region": _region(book, plan["place"]), "currency": book["currency"]}
    per_month = (per_hour * HOURS_PER_MONTH).quantize(Decimal("1E-9"))
    terms = {"provider": "ovh", "sku": plan[0], "kind": "block"}
    return charged(row, StoragePrice, **terms, **where, amount_per_gb_month=per_month)


def _region(book: Mapping[str, str], place: str | None) -> str:
    return f"{book['region']} {place}" if place else book["region"]


def _amount(pricings: Any) -> Decimal | str:
    """The one price, or why there is none."""
    listed = array(pricings)
    if len(listed) != 1:
        return "not exactly one price"
    price, displayed = leaf(listed[0], "price"), text(leaf(listed[0], "formattedPrice"))
    amount = divided(price, 10**14, UNITS_PER_CURRENCY) if isinstance(price, int) else None
    match = SHOWN_AMOUNT.fullmatch(re.sub("[\u202f\u00a0]", "", displayed or ""))
    agrees = match and amount and abs(Decimal(f"{match[1]}.{match[2]}") - amount) <= HALF_A_CENT
    return amount if amount and (agrees or not displayed) else "no price, or it contradicts the displayed one"


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
    currencies=("EUR", "USD"),
    covers="GPU instances by hour and month, AI Training by the minute; block volumes; euros, in the US dollars",
    licence="public API, keyless for catalogues; no licence for the data is stated",
)

"""Scaleway: block and object storage and egress, keyless, in euros before tax, from the Product Catalog API.

A product has exactly one locality (`zone`, `region` or `global`), a price of whole `units` and `nanos` billionths,
and properties that say what it is. Kept data is billed per GB and hour although the unit reads `gigabyte`
(0.000044 euros are 3.2 cents a month); traffic is billed per GB (API documentation and SDK, read 2026-11). The
type of a product is asked for, as the whole catalogue has thousands of rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document, Request
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.offer import Fact, Skipped, StoragePrice, TransferPrice
from gpuledger.scrapers.read_json import array, charged, each_once, fields, leaf, listed, picked, text, within
from gpuledger.scrapers.source import DAILY, Source

CATALOG = "https://api.scaleway.com/product-catalog/v2alpha1/public-catalog/products"
TYPES = ("block_storage", "object_storage")
PAGE = 100
MOST_PAGES = 20
REQUEST = re.compile(r"[?&]page=(?P<page>[0-9]{1,3})&product_types=(?P<type>[a-z_]{1,40})")
CLASSES = {"standard": "object", "glacier": "archive"}
"""Not one-zone storage for rare use, which would pass for the lowest price of plain object storage."""
NOT_SOLD = frozenset({"end_of_sale", "end_of_life", "retired"})
MOST_PER_GB_HOUR = Decimal("0.001")
MOST_PER_GB = Decimal(1)


def parse(document: Document) -> Iterator[Fact]:
    """Prices of storage and traffic of one page.

    Raises:
        ParseError: no list of products.
    """
    return each_once((_product(row) for row in listed(document, "products")), document)


def follow(document: Document) -> Iterator[Request]:
    """The next page of the type, until the pages hold `total_count` products."""
    match = REQUEST.search(document.request.url)
    total = within(leaf(document.json(), "total_count"), PAGE * MOST_PAGES)
    if match and total and array(leaf(document.json(), "products")) and int(match["page"]) * PAGE < total:
        yield _request(match["type"], int(match["page"]) + 1)


def _request(product_type: str, page: int) -> Request:
    return Request(url=f"{CATALOG}?page_size={PAGE}&page={page}&product_types={product_type}")


def _product(row: Mapping[str, Any]) -> Fact:
    shown = picked(row, "sku", "locality", "price", "unit_of_measure", "properties", "status")
    sku, amount = text(row.get("sku")), _amount(leaf(row, "price", "retail_price"))
    unit = leaf(row, "unit_of_measure") or leaf(row, "price", "unit_of_measure")
    kind = _kind(row.get("properties"))
    is_egress = "egress" in _words(row, "properties", "object_storage", "internet_traffic")
    region = _region(row)
    if kind is None and not is_egress:
        return Skipped("another product", shown)
    if sku is None or region is None or "snapshot" in sku:
        return Skipped("a snapshot" if sku and region else "no sku or locality", shown)
    if row.get("status") in NOT_SOLD:
        return Skipped("no longer sold", shown)
    if leaf(unit, "unit") != "gigabyte" or leaf(unit, "size") != 1:
        return Skipped("not per gigabyte", shown)
    if amount is None or amount > (MOST_PER_GB_HOUR if kind else MOST_PER_GB):
        return Skipped("no price" if amount is None else "the price is out of bounds", shown)
    terms = {"provider": "scaleway", "sku": sku, "region": region, "currency": "EUR"}
    if kind is None:
        return charged(shown, TransferPrice, **terms, direction="egress", amount_per_gb=amount)
    per_month = (amount * HOURS_PER_MONTH).quantize(Decimal("1E-9"))
    return charged(shown, StoragePrice, **terms, kind=kind, amount_per_gb_month=per_month)


def _kind(properties: Any) -> str | None:
    if isinstance(leaf(properties, "block_storage"), dict):
        return "block"
    named = _words(properties, "object_storage", "class")
    return next((kind for name, kind in CLASSES.items() if name in named), None)


def _words(value: Any, *names: str) -> list[Any]:
    return list(fields(leaf(value, *names)).values())


def _region(row: Mapping[str, Any]) -> str | None:
    if leaf(row, "locality", "global") is True:
        return "global"
    zone = text(leaf(row, "locality", "zone"))
    return re.sub(r"-[0-9]+$", "", zone) if zone else text(leaf(row, "locality", "region"))


def _amount(price: Any) -> Decimal | None:
    """Euros above zero; both parts must be whole."""
    units, nanos = leaf(price, "units"), leaf(price, "nanos")
    whole = all(isinstance(part, int) and 0 <= part < 10**9 for part in (units, nanos))
    amount = Decimal(units) + Decimal(nanos) / 10**9 if whole else None
    return amount if amount and leaf(price, "currency_code") == "EUR" else None


SOURCE = Source(
    name="scaleway_storage",
    provider="scaleway",
    homepage="https://www.scaleway.com/en/developers/api/product-catalog/public-catalog",
    every=DAILY,
    requests=tuple(_request(product_type, 1) for product_type in TYPES),
    follow=follow,
    parse=parse,
    contract=Contract(min_offers=0),
    currencies=("EUR",),
    covers="block and object storage per region and zone, and egress, in euros",
    licence="public API, keyless; no licence for the data is stated",
)

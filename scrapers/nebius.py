"""Nebius: the price page, in US dollars per GPU-hour, vCPUs and memory included, before tax.

Presets of one and of eight GPUs share the rate, in all regions (page of 2026-10-07). Announced changes stand
in a column of their own, `GPU-hour (Effective October 1, 2026)`: the newest in effect when the page was fetched
counts. Cells that begin with "from", all preemptible prices since October 2026, are a lower bound and no prices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.scrapers.read_html import by_column, exact_usd, soup, whole_in, words
from gpuledger.scrapers.read_json import charged, each_once, per_gb, priced
from gpuledger.scrapers.source import DAILY, Source

EFFECTIVE = re.compile(r"Effective ([A-Z][a-z]+ [0-9]{1,2}, [0-9]{4})")
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
CELL = ".pc-highlight-table-block__cell"
STORAGE_KINDS = {
    " filesystem": "file",
    "object storage": "object",
    "block volumes — local": "local",
    "block volumes": "block",
}
"""Words of an item of the storage table; the first match counts."""


def parse(document: Document) -> Iterator[Fact]:
    """Offers, storage and traffic prices of the page.

    Raises:
        ParseError: no GPU table, or an effective date that cannot be read.
    """
    return each_once(_facts(document), document)


def _facts(document: Document) -> Iterator[Fact]:
    rows = list(_rows(document))
    if not any("GPU Instances" in heading for heading, _ in rows):
        raise document.error("no table under a heading with 'GPU Instances'")
    for heading, row in rows:
        if "GPU Instances" in heading:
            spot = "preemptible" in heading.casefold()
            yield _offer(row, PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND, document)
        elif heading in ("Storage", "Other services"):
            yield from _other(row)
        else:
            yield Skipped("no accelerator", row)


def _rows(document: Document) -> Iterator[tuple[str, dict[str, str]]]:
    """Heading of the table and its rows by column. The tables are made of `div`: a row is the nearest element
    around a cell that holds other cells as well."""
    tree = soup(document)
    cell = CELL if tree.select_one(CELL) else "p"
    held = Counter(id(parent) for one_cell in tree.select(cell) for parent in one_cell.parents)
    heading = ""
    lines: dict[int, tuple[str, list[str]]] = {}
    for tag in tree.select(f"h1, h2, h3, h4, {cell}"):
        if tag.name.startswith("h"):
            heading = words(tag)
        else:
            row = next((parent for parent in tag.parents if held[id(parent)] > 1), tag)
            lines.setdefault(id(row), (heading, []))[1].append(words(tag))
    headers: dict[str, list[str]] = {}
    for heading, line in lines.values():
        # Prose under a heading is no row: it has no second cell, or stands before the header.
        if len(line) > 1 and heading in headers:
            yield heading, by_column(headers[heading], line) or {"cells": " | ".join(line)}
        elif len(line) > 1 and line[0] == "Item":
            headers[heading] = line


def _offer(row: Mapping[str, str], option: PurchaseOption, document: Document) -> Fact:
    label, (column, effective_at) = row.get("Item"), _column(row, document)
    if not label:
        return Skipped("another number of columns than the header", row)
    if column is None:
        return Skipped("no column of prices in effect", row)
    amount = exact_usd(row[column])
    if amount is None:
        starting = row[column].casefold().startswith("from")
        return Skipped("starting price only" if starting else "no published price", row)
    return priced(
        row,
        provider="nebius",
        sku=label,
        gpu_label=label,
        gpu_count=Decimal(1),
        vcpus=whole_in(row.get("vCPUs", ""), 1_000_000),
        memory_gib=whole_in(row.get("RAM, GB", ""), 1_000_000),
        purchase_option=option,
        price=Price(amount=amount, unit=Unit.GPU_HOUR),
        effective_at=effective_at,
        billing_increment_seconds=1,
    )


def _column(row: Mapping[str, str], document: Document) -> tuple[str | None, datetime | None]:
    """The column of hourly prices in effect, and since when where the page says so."""
    hourly = [name for name in row if "GPU-hour" in name and "commit" not in name.casefold()]
    past = [(since, name) for name in hourly if (since := _since(name, document)) <= document.fetched_at]
    since, column = max(past, default=(ALWAYS, None))
    return column, since if since > ALWAYS else None


def _since(title: str, document: Document) -> datetime:
    match = EFFECTIVE.search(title)
    if match is None and "effective" not in title.casefold():
        return ALWAYS
    try:
        return datetime.strptime(match[1] if match else "", "%B %d, %Y").replace(tzinfo=UTC)
    except ValueError as error:
        raise document.error(f"a column of unknown date: {title[:80]!r}") from error


def _other(row: Mapping[str, str]) -> Iterator[Fact]:
    item, price, unit = row.get("Item", ""), row.get("Price", ""), row.get("Unit", "")
    free = price == "Free"
    amount = Decimal(0) if free else exact_usd(price)
    kind = next((kind for word, kind in STORAGE_KINDS.items() if word in item.casefold()), None)
    terms = {"provider": "nebius", "sku": item}
    if amount is None:
        yield Skipped("no published price", row)
    elif item.startswith("Networking: Egress/Ingress") and free:
        yield charged(row, TransferPrice, **terms, direction="egress", amount_per_gb=amount)
        yield charged(row, TransferPrice, **terms, direction="ingress", amount_per_gb=amount)
    elif "(egress traffic)" in item and (free or unit == "GiB"):
        yield charged(row, TransferPrice, **terms, direction="egress", amount_per_gb=per_gb(amount))
    elif kind is None or free:
        yield Skipped("neither storage nor transfer", row)
    elif unit != "GiB/month":
        yield Skipped("not priced per GiB and month", row)
    else:
        yield charged(row, StoragePrice, **terms, kind=kind, amount_per_gb_month=per_gb(amount))


SOURCE = Source(
    name="nebius",
    homepage="https://nebius.com/prices",
    every=DAILY,
    requests=(Request(url="https://nebius.com/prices"),),
    parse=parse,
    contract=Contract(min_offers=3, must_have=("h100", "h200"), usd_per_gpu_hour=between("0.2", "25")),
    covers="on-demand GPU instances per GPU-hour, the prices in effect on the day; storage and traffic",
    licence="public price page; no licence for the data is stated",
)

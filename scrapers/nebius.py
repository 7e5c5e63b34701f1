"""Nebius: the price page, in US dollars per GPU-hour, vCPUs and memory included, before tax.

One row per GPU; presets of one and of eight GPUs share the rate, in all regions (page of 2026-10-07).
Announced changes stand in a column of their own, `GPU-hour (Effective October 1, 2026)`: the newest column
in effect when the page was fetched counts. Cells that begin with "from", among them all preemptible prices
since October 2026, are a lower bound of unknown shape and no prices. Storage is sold per GiB and month.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.contract import Contract
from core.document import Document, Request
from core.money import Price, Unit
from core.offer import Fact, PurchaseOption, Skipped, StoragePrice, TransferPrice
from scrapers.reading import charged, each_once, exact_usd, per_gb, priced, soup, within, words
from scrapers.source import Source

EFFECTIVE = re.compile(r"Effective ([A-Z][a-z]+ [0-9]{1,2}, [0-9]{4})")
HEADINGS = ("h1", "h2", "h3", "h4")
CELL = ".pc-highlight-table-block__cell"
STORAGE_KINDS = {
    "shared filesystem": "file",
    "weka filesystem": "file",
    "object storage": "object",
    "block volumes — local": "local",
    "block volumes": "block",
}
"""How an item of the storage table begins; the first match counts."""


def parse(document: Document) -> Iterator[Fact]:
    """Offers, storage and traffic prices of the page.

    Raises:
        ParseError: no GPU table, or an effective date that cannot be read.
    """
    return each_once(_facts(document), document)


def _facts(document: Document) -> Iterator[Fact]:
    found = False
    for heading, table in _tables(document):
        if "GPU Instances" in heading:
            found = True
            spot = "preemptible" in heading.casefold()
            option = PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND
            yield from (_offer(row, option, document) for row in table)
        elif heading in ("Storage", "Other services"):
            for row in table:
                yield from _other(row)
        else:
            yield from (Skipped("no accelerator", row) for row in table)
    if not found:
        raise document.error("no table under a heading with 'GPU Instances'")


def _tables(document: Document) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Heading and rows by column of each table. The tables are made of `div`: a row is the nearest element
    around a cell that holds other cells as well."""
    tree = soup(document)
    cell = CELL if tree.select_one(CELL) else "p"
    cells = tree.select(cell)
    held = Counter(id(parent) for found in cells for parent in found.parents)
    heading = ""
    lines: dict[int, tuple[str, list[str]]] = {}
    for tag in tree.select(f"h1, h2, h3, h4, {cell}"):
        if tag.name in HEADINGS:
            heading = words(tag)
        else:
            row = next((parent for parent in tag.parents if held[id(parent)] > 1), tag)
            lines.setdefault(id(row), (heading, []))[1].append(words(tag))
    tables: dict[str, list[list[str]]] = {}
    for heading, line in lines.values():
        # Prose under a heading is no row: it has no second cell, or stands before the header.
        if len(line) > 1 and (heading in tables or line[0] == "Item"):
            tables.setdefault(heading, []).append(line)
    for heading, (header, *body) in tables.items():
        yield heading, [_row(header, line) for line in body]


def _row(header: list[str], line: list[str]) -> dict[str, str]:
    # Without its title a column of announced prices would look like none at all.
    if len(line) != len(header) or len(set(header)) != len(header) or "" in header:
        return {"cells": " | ".join(line)}
    return dict(zip(header, line, strict=True))


def _offer(row: Mapping[str, str], option: PurchaseOption, document: Document) -> Fact:
    label = row.get("Item")
    if not label:
        return Skipped("another number of columns than the header", row)
    column, effective_at = _column(row, document)
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
        vcpus=_whole(row.get("vCPUs", "")),
        memory_gib=_whole(row.get("RAM, GB", "")),
        purchase_option=option,
        price=Price(amount=amount, unit=Unit.GPU_HOUR),
        effective_at=effective_at,
        billing_increment_seconds=1,
    )


def _column(row: Mapping[str, str], document: Document) -> tuple[str | None, datetime | None]:
    """The column of hourly prices in effect, and since when where the page says so."""
    dated: list[tuple[datetime, str]] = []
    plain: str | None = None
    for name in row:
        if "GPU-hour" not in name or "commit" in name.casefold():
            continue
        match = EFFECTIVE.search(name)
        if match:
            dated.append((_day(match.group(1), document), name))
        elif "effective" in name.casefold():
            raise document.error(f"a column of unknown date: {name[:80]!r}")
        else:
            plain = name
    past = [entry for entry in dated if entry[0] <= document.fetched_at]
    return (max(past)[1], max(past)[0]) if past else (plain, None)


def _day(words: str, document: Document) -> datetime:
    try:
        return datetime.strptime(words, "%B %d, %Y").replace(tzinfo=UTC)
    except ValueError as error:
        raise document.error(f"not a date: {words!r}") from error


def _whole(cell: str) -> Decimal | None:
    """A whole number; `None` for ranges such as `8-40`."""
    return within(Decimal(cell), 1_000_000) if re.fullmatch(r"[0-9]{1,7}", cell) else None


def _other(row: Mapping[str, str]) -> Iterator[Fact]:
    item, price, unit = row.get("Item", ""), row.get("Price", ""), row.get("Unit", "")
    free = price == "Free"
    amount = Decimal(0) if free else exact_usd(price)
    kind = next((kind for start, kind in STORAGE_KINDS.items() if item.casefold().startswith(start)), None)
    common: dict[str, Any] = {"provider": "nebius", "sku": item}
    if item.startswith("Networking: Egress/Ingress") and free:
        yield charged(row, TransferPrice, **common, direction="egress", amount_per_gb=Decimal(0))
        yield charged(row, TransferPrice, **common, direction="ingress", amount_per_gb=Decimal(0))
    elif amount is None:
        yield Skipped("no published price", row)
    elif "(egress traffic)" in item and (free or unit == "GiB"):
        yield charged(row, TransferPrice, **common, direction="egress", amount_per_gb=per_gb(amount))
    elif kind is None or free:
        yield Skipped("neither storage nor transfer", row)
    elif unit != "GiB/month":
        yield Skipped("not priced per GiB and month", row)
    else:
        yield charged(row, StoragePrice, **common, kind=kind, amount_per_gb_month=per_gb(amount))


SOURCE = Source(
    name="nebius",
    provider="nebius",
    homepage="https://nebius.com/prices",
    every=timedelta(days=1),
    fresh_for=timedelta(hours=50),
    requests=(Request(url="https://nebius.com/prices"),),
    parse=parse,
    contract=Contract(
        min_offers=3, must_have=("h100", "h200"), usd_per_gpu_hour=(Decimal("0.2"), Decimal(25))
    ),
    covers="on-demand GPU instances per GPU-hour, the prices in effect on the day; storage and traffic",
    licence="public price page; no licence for the data is stated",
)

"""Crusoe Cloud: the price page, in US dollars per GPU-hour, on demand and spot; storage per GiB and month.

Cards (`.prixing-item`, as the page spells it) hold a heading, chips for memory and form factor, and one
rich-text cell per price column. Only text of the form `$3.90/GPU-hr` is a price: other cards of the page
sell managed inference by the hour, and the newest GPUs and all spot capacity read "Contact sales" (pages of
2026-09 and 10). Two A100 rows differ by their chips alone, so the chips are part of the label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from gpuledger.core.contract import Contract, between
from gpuledger.core.count import counted
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped, StoragePrice
from gpuledger.scrapers.read_html import leading_number, soup, usd_in, words
from gpuledger.scrapers.read_json import charged, each_once, per_gb, priced, within
from gpuledger.scrapers.source import DAILY, Source

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

PER_GPU_HOUR = re.compile(r"(?P<amount>\S+)/GPU-hr")
PER_GIB_MONTH = re.compile(r"(?P<amount>\S+) per GiB/month")
COLUMNS = {"on-demand": PurchaseOption.ON_DEMAND, "current spot": PurchaseOption.SPOT}
STORAGE_KINDS = {"Persistent disks": "block", "Shared disks": "file", "Object Storage": "object"}


def parse(document: Document) -> Iterator[Fact]:
    """Offers and storage prices of the page.

    Raises:
        ParseError: no card at all, or none that is priced per GPU-hour.
    """
    tree = soup(document)
    cards = tree.select(".prixing-item")
    if not cards:
        raise document.error("a page without .prixing-item")
    if not any(PER_GPU_HOUR.search(words(card)) for card in cards):
        raise document.error(f"{counted(len(cards), 'card')}, none with a price per GPU-hr")
    return each_once(_facts(tree), document)


def _facts(tree: BeautifulSoup) -> Iterator[Fact]:
    columns = ["gpu model", *COLUMNS]
    for tag in tree.select(".pricing-table-heading, .prixing-item"):
        if "prixing-item" in tag.get_attribute_list("class"):
            yield from _card(tag, columns)
        else:
            columns = [words(column).casefold() for column in tag.select(".pricing-heading")]


def _card(card: Tag, columns: list[str]) -> Iterator[Fact]:
    name = words(card.select_one(".pricing-item-heading"))
    cells = [words(cell) for cell in card.select(".pricing-rich")]
    row = {"name": name, "cells": cells}
    if not name or not cells:
        yield Skipped("a card without name or price", row)
    elif not card.select(".pricing-tag"):
        yield _storage(name, cells[0], row)
    else:
        yield from _offers(card, name, cells, columns)


def _offers(card: Tag, name: str, cells: list[str], columns: list[str]) -> Iterator[Fact]:
    chips = [words(chip) for chip in card.select(".pricing-tag")]
    label = " ".join([name, *filter(None, chips)])
    memory = next((leading_number(chip) for chip in chips if re.fullmatch(r"[0-9]{1,4} ?GB", chip)), None)
    if len(columns) - 1 != len(cells):
        yield Skipped("another number of columns than the header", {"name": label, "cells": cells})
        return
    for column, cell in zip(columns[1:], cells, strict=True):
        row = {"name": label, "column": column, "cell": cell}
        amount = usd_in(cell, PER_GPU_HOUR)
        if column not in COLUMNS:
            yield Skipped("an unknown column", row)
        elif amount is None:
            yield Skipped("no published price per GPU-hour", row)
        else:
            yield priced(
                row,
                provider="crusoe",
                sku=label,
                gpu_label=label,
                gpu_count=Decimal(1),
                gpu_memory_gib=within(memory, 4096),
                purchase_option=COLUMNS[column],
                price=Price(amount=amount, unit=Unit.GPU_HOUR),
            )


def _storage(name: str, cell: str, row: Mapping[str, object]) -> Fact:
    kind, amount = STORAGE_KINDS.get(name), usd_in(cell, PER_GIB_MONTH)
    if kind is None:
        return Skipped("neither accelerator nor storage", row)
    if amount is None:
        return Skipped("not priced per GiB and month", row)
    return charged(
        row, StoragePrice, provider="crusoe", sku=name, kind=kind, amount_per_gb_month=per_gb(amount)
    )


SOURCE = Source(
    name="crusoe",
    homepage="https://crusoe.ai/cloud/pricing",
    every=DAILY,
    requests=(Request(url="https://crusoe.ai/cloud/pricing"),),
    parse=parse,
    contract=Contract(min_offers=4, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.3", "20")),
    covers="on-demand and spot GPUs per GPU-hour where published; block, shared and object storage",
    licence="public price page; no licence for the data is stated",
)

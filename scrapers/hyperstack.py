"""Hyperstack: the price page, in US dollars per GPU-hour, billed per minute, the same in all regions.

Three cards: on-demand, reservations and spot VMs. Reservations read "Starting from" without a term and are
no prices. `H100`, `A100` and their NVLink variants are PCIe cards with bridges; only names with SXM are SXM
(reference list of 2026-08). Columns are found by their header, since the cards have five, three and two of
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from bs4 import Tag

from core.contract import Contract, between
from core.document import Document, Request
from core.money import Price, Unit
from core.offer import Fact, PurchaseOption, Skipped
from scrapers.page import by_column, exact_usd, size_in, soup, words
from scrapers.reading import each_once, priced
from scrapers.source import DAILY, Source

PRICE_COLUMNS = {"Pricing Per Hour": PurchaseOption.ON_DEMAND, "Spot VM": PurchaseOption.SPOT}


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the page.

    Raises:
        ParseError: no price card, or none with a price column that we know.
    """
    cards = soup(document).select(".page-price_card_main")
    if not any(column in PRICE_COLUMNS for card in cards for column in _columns(card)):
        raise document.error(f"{len(cards)} price cards, none with a column of {' or '.join(PRICE_COLUMNS)}")
    return each_once((fact for card in cards for fact in _card(card)), document)


def _columns(card: Tag) -> list[str]:
    return [words(column) for column in card.select(".page-price_card_head_item")]


def _card(card: Tag) -> Iterator[Fact]:
    columns = _columns(card)
    price_column = next((column for column in columns if column in PRICE_COLUMNS), None)
    for line in card.select(".page-price_card_row_item"):
        cells = [words(cell) for cell in line.select(".page-price_card_row_item_col")]
        row = by_column(columns, cells)
        if row is None:
            yield Skipped("another number of columns than the header", cells or words(line) or "empty row")
        elif price_column is None:
            yield Skipped("starting price only", cells)
        else:
            yield _offer(row, price_column)


def _offer(row: Mapping[str, str], price_column: str) -> Fact:
    label = row.get("GPU Model", "")
    amount = exact_usd(row[price_column])
    if not label or amount is None:
        return Skipped("no GPU model" if not label else "no published price", row)
    return priced(
        row,
        provider="hyperstack",
        sku=label,
        gpu_label=label,
        gpu_count=Decimal(1),
        gpu_memory_gib=size_in(row.get("VRAM (GB)", ""), 100_000),
        vcpus=size_in(row.get("Max pCPUs per GPU", ""), 100_000),
        memory_gib=size_in(row.get("Max RAM (GB) per GPU", ""), 100_000),
        purchase_option=PRICE_COLUMNS[price_column],
        price=Price(amount=amount, unit=Unit.GPU_HOUR),
        billing_increment_seconds=60,
    )


SOURCE = Source(
    name="hyperstack",
    homepage="https://www.hyperstack.cloud/gpu-pricing",
    every=DAILY,
    requests=(Request(url="https://www.hyperstack.cloud/gpu-pricing"),),
    parse=parse,
    contract=Contract(min_offers=9, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.05", "20")),
    covers="on-demand and spot VMs per GPU-hour; reservations are published as starting prices only",
    licence="public price page; no licence for the data is stated",
)

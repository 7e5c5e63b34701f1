"""Hyperstack: US dollars per GPU-hour, billed per minute, the same in all regions; two answers.

- The price page, keyless, has three cards: on-demand, reservations and spot VMs. Reservations read "Starting
  from" without a term and are no prices. `H100`, `A100` and their NVLink variants are PCIe cards with bridges;
  only names with SXM are SXM (reference list of 2026-08). Columns are found by their header, since the cards have
  five, three and two of them.
- `pricebook`, with `HYPERSTACK_API_KEY`: an array of all resources with their price per hour, GPUs under the names
  of the flavors; `original_value` is the list price, `value` less the account's discount. `NAMES` gives a GPU
  the page's name, so that both continue one offer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.count import counted
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.read_html import by_column, exact_usd, is_page, size_in, soup, words
from gpuledger.scrapers.read_json import each_once, merged, priced, rows, text, within
from gpuledger.scrapers.source import DAILY, Source

if TYPE_CHECKING:
    from bs4 import Tag

KEY = Credential(variable="HYPERSTACK_API_KEY", travels_as="header", name="api_key")
PRICE_COLUMNS = {"Pricing Per Hour": PurchaseOption.ON_DEMAND, "Spot VM": PurchaseOption.SPOT}


NAMES = {
    "A100-80G-PCIe": "NVIDIA A100",
    "A100-80G-PCIe-NVLink": "NVIDIA A100 NVLink",
    "A100-80G-SXM4": "NVIDIA A100 SXM",
    "B200-SXM": "NVIDIA B200",
    "B300-SXM": "NVIDIA B300",
    "H100-80G-PCIe": "NVIDIA H100",
    "H100-80G-PCIe-NVLink": "NVIDIA H100 NVLink",
    "H100-80G-PCIe-spot": "NVIDIA H100 PCIe",
    "H100-80G-SXM5": "NVIDIA H100 SXM",
    "H200-141G-SXM5": "NVIDIA H200 SXM",
    "RTX-A4000": "NVIDIA A4000",
    "RTX-A6000": "NVIDIA A6000",
    "RTX-PRO6000-SE": "NVIDIA RTX Pro 6000 SE",
}
"""Flavor names of the API and the page's words for the same GPU (2026-08)."""
GPU_NAME = re.compile(r"(?:RTX-|GH|GB|[ABHL])[A-Z]{0,3}[0-9]{2,4}[A-Za-z0-9-]{0,40}")
OTHER_PRODUCT = re.compile(r"-(?:k8s|sm)$")


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the page or of the pricebook.

    Raises:
        ParseError: no price card, or none with a price column that we know; a pricebook that is no array.
    """
    if not is_page(document):
        book = rows(document.json(), document, "answer")
        return each_once((_resource(row) for row in book), document)
    cards = soup(document).select(".page-price_card_main")
    if not any(column in PRICE_COLUMNS for card in cards for column in _columns(card)):
        raise document.error(
            f"{counted(len(cards), 'price card')}, none with a column of {' or '.join(PRICE_COLUMNS)}"
        )
    return each_once((fact for card in cards for fact in _card(card)), document)


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """With a key, page and API both answer: each offer once."""
    return merged(documents, parse)


def _resource(row: Mapping[str, Any]) -> Fact:
    name = text(row.get("name")) or ""
    amount, charged = within(row.get("original_value"), 1000), within(row.get("value"), 1000)
    if not GPU_NAME.fullmatch(name) or OTHER_PRODUCT.search(name):
        return Skipped("no GPU of a virtual machine", row)
    if row.get("start_time") or row.get("end_time"):
        return Skipped("a price for a limited time", row)
    if amount is None or (charged != amount and row.get("discount_applied") is not True):
        return Skipped("no published price" if amount is None else "two prices that differ", row)
    label = NAMES.get(name) or NAMES.get(name.removesuffix("-spot")) or f"NVIDIA {name.removesuffix('-spot')}"
    option = PurchaseOption.SPOT if name.endswith("-spot") else PurchaseOption.ON_DEMAND
    return _per_gpu(row, label, option, amount)


def _per_gpu(row: Any, label: str, option: PurchaseOption, amount: Decimal, **shape: Any) -> Fact:
    return priced(
        row,
        provider="hyperstack",
        sku=label,
        gpu_label=label,
        gpu_count=Decimal(1),
        purchase_option=option,
        price=Price(amount=amount, unit=Unit.GPU_HOUR),
        billing_increment_seconds=60,
        **shape,
    )


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
    return _per_gpu(
        row,
        label,
        PRICE_COLUMNS[price_column],
        amount,
        gpu_memory_gib=size_in(row.get("VRAM (GB)", ""), 100_000),
        vcpus=size_in(row.get("Max pCPUs per GPU", ""), 100_000),
        memory_gib=size_in(row.get("Max RAM (GB) per GPU", ""), 100_000),
    )


SOURCE = Source(
    name="hyperstack",
    homepage="https://www.hyperstack.cloud/gpu-pricing",
    every=DAILY,
    requests=(
        Request(url="https://www.hyperstack.cloud/gpu-pricing"),
        Request(url="https://infrahub-api.nexgencloud.com/v1/pricebook", credential=KEY),
    ),
    parse=parse,
    parse_batch=parse_batch,
    contract=Contract(min_offers=9, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.05", "20")),
    covers="on-demand and spot VMs per GPU-hour, page and, with a key, pricebook; reservations have no prices",
    licence="public price page, and API with a key; no licence for the data is stated",
)

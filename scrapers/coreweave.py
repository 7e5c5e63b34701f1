"""CoreWeave: whole GPU nodes, in US dollars per **instance** and hour; one page, no price interface.

Read from the page of 2026-10-07 and from the markup of March to September 2026 (reference list):

- A table per region block. Columns are told by their titles; without titles the first seven are in the order
  that every generation had, and any further price only counts where its cell has a class that names it.
- Every value is there twice, in desktop and mobile cells, and the product list may be there twice as well
  (general and Kubernetes). Copies must agree, otherwise a column was misread and the page is refused.
- The on-demand price is the same in both blocks: one offer, region `global`. Spot is one offer per block.
- The inference column is the instance price divided by the GPU count, rounded to cents. It is no offer (only
  inference customers pay by it), but a quotient that differs by more than a cent refuses the page as well.
- GPU counts carry footnotes: `4^1` and `4<sup>1</sup>` are 4.

Rates of storage are per binary GB (page footnote), converted here. Their markup, and the sentence on egress,
are known from descriptions only; what does not look like a rate per GB is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from gpuledger.core.contract import Contract, between
from gpuledger.core.document import Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Fact, Offer, PurchaseOption, Skipped, StoragePrice, TransferPrice
from gpuledger.scrapers.read_html import exact_usd, size_in, soup, usd_in, words
from gpuledger.scrapers.read_json import each_once, per_gb, priced, slug
from gpuledger.scrapers.source import DAILY, Source

if TYPE_CHECKING:
    from bs4 import Tag

COUNTS = (1, 2, 4, 8, 16)
CENT = Decimal("0.01")

COLUMNS = ("model", "gpu count", "vram", "vcpus", "system ram", "local storage", "on-demand")
"""Order of the columns where no titles are there; titles begin with these words."""

_TITLES = (*COLUMNS[1:], "spot", "inference")

_MARKS = {"on-demand": "instance-price", "spot": "spot-price", "inference": "inference-price"}
"""Title of a column of prices and the class of its cells."""

SLUGS = {
    "NVIDIA HGX B200": "nvidia-b200",
    "NVIDIA HGX B300": "nvidia-b300",
    "NVIDIA HGX H100": "hgx-h100",
    "NVIDIA HGX H200": "hgx-h200",
}
"""`data-product` of models whose slug is not their name (2026-10-07), for markup that has none."""

_COUNT = re.compile(r"(\d{1,2})(?:\s*\^\s*\d|[¹²³])?", re.ASCII)
_REGION = re.compile(r"(?:REGION:\s*)?(NORTH AMERICA|EUROPE)|REGION:\s*([A-Z][A-Z ]{2,30})", re.IGNORECASE)
_FREE_EGRESS = re.compile(
    r"\b(?:free|no|zero)\b[^.$\d]{0,40}\begress\b|\begress\b[^.$\d]{0,40}\bfree\b", re.IGNORECASE
)


def parse(document: Document) -> Iterator[Fact]:
    """Offers, storage rates and free egress of the page.

    Raises:
        ParseError: no price row at all; two copies of a value disagree.
    """
    page = soup(document)
    grids = [
        grid for grid in page.select(".table-grid") if grid.find_parent(class_="table-v2-header") is None
    ]
    if not grids:
        raise document.error("a page without .table-grid rows")
    yield from each_once((fact for grid in grids for fact in _row(grid, document)), document)
    if page.find(string=_FREE_EGRESS) is not None:
        yield TransferPrice(provider="coreweave", sku="egress", direction="egress", amount_per_gb=Decimal(0))


def _row(grid: Tag, document: Document) -> Iterator[Fact]:
    heading = grid.select_one(".table-model-name")
    model = words(heading)
    titles = _titles(grid)
    row = {"model": model, "cells": [words(cell) for cell in grid.select(":scope > .table-v2-cell")]}
    if heading is None or not model:
        yield Skipped("no model name", row)
    elif titles and "gpu count" not in titles:
        yield _storage(grid, model, row) or Skipped("not a GPU instance", row)
    else:
        yield from _instance(grid, heading, model, titles, row, document)


def _titles(grid: Tag) -> list[str]:
    """The titles of the table's columns, as the words of `_TITLES` where they begin with them."""
    table = grid.find_parent(class_="table-v2")
    header = table.find(class_="table-v2-header") if table else None
    cells = header.find_all(class_="table-v2-cell") if header else ()
    titles = [words(cell).casefold() for cell in cells]
    return [
        next((title_here for title_here in _TITLES if title.startswith(title_here)), title)
        for title in titles
    ]


def _instance(
    grid: Tag, heading: Tag, model: str, titles: list[str], row: Mapping[str, object], document: Document
) -> Iterator[Fact]:
    cell_of = dict(zip(titles or COLUMNS, grid.select(":scope > .table-v2-cell"), strict=False))
    for title, cell in cell_of.items():
        marks = [name for name, mark in _MARKS.items() if mark in cell.get_attribute_list("class")]
        if title not in (marks or [title]):
            raise document.error(f"{model}: a cell marked as {marks[0]} stands where {title} is expected")
    cells = {title: words(cell) for title, cell in cell_of.items()}
    count = _count(cells.get("gpu count", ""))
    if count is None:
        yield Skipped("GPU count is not 1, 2, 4, 8 or 16", row)
        return
    _check_mobile_count(grid, model, count, document)
    on_demand = _amount(grid, model, cells, "on-demand", document)
    spot = _amount(grid, model, cells, "spot", document)
    inference = _amount(grid, model, cells, "inference", document)
    if on_demand and inference and abs(on_demand / count - inference) > CENT:
        raise document.error(f"{model}: {on_demand:f} for {count} GPUs, but {inference:f} for one")
    stated_sku = str(heading.get("data-product") or "").strip()
    shape = {
        "sku": stated_sku or SLUGS.get(model) or slug(model),
        "gpu_label": model,
        "gpu_count": Decimal(count),
        "gpu_memory_gib": size_in(cells.get("vram", ""), 4096),
        "vcpus": size_in(cells.get("vcpus", ""), 10_000),
        "memory_gib": size_in(cells.get("system ram", ""), 10**6),
        "local_storage_gb": _gb(cells.get("local storage", "")),
        "min_gpus": count,
    }
    if on_demand:
        yield _offer(row, on_demand, PurchaseOption.ON_DEMAND, "global", shape)
    else:
        contact = "contact" in cells.get("on-demand", "").casefold()
        yield Skipped("contact sales" if contact else "no on-demand price", row)
    region = _region(grid)
    if spot and region and not (on_demand and spot >= on_demand):
        yield _offer(row, spot, PurchaseOption.SPOT, region, shape)
    elif spot:
        yield Skipped("spot price is not below on-demand" if region else "spot price without a region", row)
    elif "spot" in cells:
        yield Skipped("no spot price", row)


def _offer(
    row: object, amount: Decimal, option: PurchaseOption, region: str, shape: Mapping[str, object]
) -> Offer | Skipped:
    return priced(
        row,
        provider="coreweave",
        instance_type=shape["sku"],
        region=region,
        purchase_option=option,
        price=Price(amount=amount, unit=Unit.HOUR),
        billing_increment_seconds=60,
        **shape,
    )


def _count(text: str) -> int | None:
    match = _COUNT.fullmatch(text.strip())
    return int(match.group(1)) if match and int(match.group(1)) in COUNTS else None


def _check_mobile_count(grid: Tag, model: str, count: int, document: Document) -> None:
    for entry in grid.select(".table-meta-text"):
        value = entry.select_one(".table-meta-value")
        if value and words(entry).endswith("GPU Count") and _count(words(value)) != count:
            raise document.error(f"{model}: {count} GPUs, but {words(value)!r} in the mobile cell")


def _amount(grid: Tag, model: str, cells: Mapping[str, str], name: str, document: Document) -> Decimal | None:
    """The amount in the column of that name and in the cell of its class, which must be the same."""
    mobile = [words(value) for value in grid.select(f".{_MARKS[name]} .item-value")]
    stated = {exact_usd(text) for text in (*mobile, *([cells[name]] if name in cells else ()))}
    if len(stated) > 1:
        raise document.error(f"{model}: the copies of its {name} price differ: {cells.get(name)!r}, {mobile}")
    return next(iter(stated), None)


def _region(grid: Tag) -> str | None:
    """The region block that the row is in, by the nearest heading above it that names one."""
    for title in grid.find_all_previous(["h2", "h3", "h4", "h5", "h6"]):
        match = _REGION.fullmatch(words(title))
        if match:
            return (match.group(1) or match.group(2)).strip().casefold().replace(" ", "-")
    return None


def _gb(text: str) -> Decimal | None:
    """Local storage in TB as GB."""
    terabytes = size_in(text, 10_000)
    return terabytes * 1000 if terabytes else None


def _storage(grid: Tag, model: str, row: object) -> StoragePrice | None:
    """A rate per GB and month, where a cell says so in a section that is about storage."""
    section = grid.find_parent("section")
    title = words(section.find(["h1", "h2"])).casefold() if section else ""
    kind = next((kind for word, kind in _KINDS.items() if word in model.casefold()), None)
    if "storage" not in title or kind is None:
        return None
    rates = (usd_in(words(cell), _PER_GB) for cell in grid.select(":scope > .table-v2-cell"))
    amount = next((rate for rate in rates if rate and rate <= 1), None)
    if amount is None:
        return None
    return StoragePrice(provider="coreweave", sku=slug(model), kind=kind, amount_per_gb_month=per_gb(amount))


_PER_GB = re.compile(
    r"(?P<amount>\$0?\.\d{1,6}|\$1)\s*(?:/|per)\s*GB\s*(?:/|per)?\s*mo(?:nth)?\.?", re.IGNORECASE
)
_KINDS = {"archive": "archive", "object": "object", "file": "file", "block": "block"}

SOURCE = Source(
    name="coreweave",
    homepage="https://www.coreweave.com/pricing",
    every=DAILY,
    requests=(Request(url="https://www.coreweave.com/pricing"),),
    parse=parse,
    contract=Contract(min_offers=8, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.50", "25")),
    max_body_mib=8,
    covers="on-demand GPU nodes, spot per region block, storage rates; per instance",
    licence="public page; one project refuses it on CoreWeave's acceptable-use policy, no licence is stated",
)

"""Lambda: on-demand instances of 1, 2, 4 or 8 GPUs, in US dollars without tax, one price for all regions.

Two answers are read, told apart by their content (reference list of 2026-09-20, API 1.10.0):

- The price page, keyless: one table per instance size, dollars per **GPU** and hour. The price per GPU rises
  as the instance gets smaller, so each size is its own offer. Cluster tables have no `VRAM/GPU` cell.
- `instance-types` with `LAMBDA_API_KEY`: US **cents** per **instance** and hour; regions with capacity.

The API names types (`gpu_8x_h100_sxm5`) that the page does not. Where a row of the page can be only one of
them, `TYPES` gives it that name and the API's words for the GPU: then both continue one offer. Other rows get
a name made of their own words.

A type is one offer with region `global`. Its price does not depend on the region; an offer per region with
capacity would come and go by the minute. Capacity anywhere is `available`, nowhere `sold_out`, price kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gpuledger.core.contract import Contract, between
from gpuledger.core.count import counted
from gpuledger.core.document import Credential, Document, Request
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Availability, Fact, Offer, PurchaseOption, Skipped
from gpuledger.scrapers.read_html import exact_usd, is_page, size_in, soup, words
from gpuledger.scrapers.read_json import each_once, fields, mapping, merged, number, priced, slug, within
from gpuledger.scrapers.source import FOUR_TIMES_A_DAY, Source

if TYPE_CHECKING:
    from bs4 import Tag

_KEY = Credential(variable="LAMBDA_API_KEY")
SIZES: tuple[int, ...] = (8, 4, 2, 1)
"""GPUs per instance of the page's four tables in document order, where no tab says so (page of 2026-10)."""

MOST_USD = 10_000

GB_PER_GIB = Decimal(2**30) / Decimal(10**9)

TYPES: Mapping[tuple[str, int, int], tuple[str, str]] = {
    ("a100 sxm", 40, 1): ("a100_sxm4", "A100 (40 GB SXM4)"),
    ("a100 sxm", 40, 8): ("a100", "A100 (40 GB SXM4)"),
    ("a10", 24, 0): ("a10", "A10 (24 GB PCIe)"),
    ("a100 sxm", 80, 0): ("a100_80gb_sxm4", "A100 (80 GB SXM4)"),
    ("a6000", 48, 0): ("a6000", "A6000 (48 GB)"),
    ("b200 sxm6", 180, 0): ("b200_sxm6", "B200 (180 GB SXM6)"),
    ("gh200", 96, 0): ("gh200", "GH200 (96 GB)"),
    ("h100 pcie", 80, 0): ("h100_pcie", "H100 (80 GB PCIe)"),
    ("h100 sxm", 80, 0): ("h100_sxm5", "H100 (80 GB SXM5)"),
    ("quadro rtx 6000", 24, 0): ("rtx6000", "RTX 6000 (24 GB)"),
    ("rtx 6000", 24, 0): ("rtx6000", "RTX 6000 (24 GB)"),
    ("rtx a6000", 48, 0): ("a6000", "A6000 (48 GB)"),
}
"""Name on the page, GB per GPU and instance size (0: any); model part of the API's name and its
`gpu_description` (API answers and catalogues of 2025 and 2026). V100 has two types that look the same."""

_SIZE = re.compile(r"\s*(\d{1,2})\s*x\b", re.IGNORECASE)
_NAMED_SIZE = re.compile(r"gpu_(\d{1,2})x_")
_AMOUNT_OF_STORAGE = re.compile(r"\s*([0-9]{1,6}(?:[.][0-9]{1,3})?)\s*([TG]i?B)\b", re.IGNORECASE)


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the page or of the API's answer.

    Raises:
        ParseError: neither of the two; an API error; tables whose instance size cannot be read.
    """
    facts = _page(document) if is_page(document) else _answer(document)
    return each_once(facts, document)


def parse_batch(documents: Sequence[Document]) -> Iterator[tuple[Document, Fact]]:
    """With a key, page and API both answer: each offer once, with its stock."""
    return merged(documents, parse)


def _answer(document: Document) -> Iterator[Fact]:
    answer = mapping(document.json(), document, "answer")
    if "error" in answer:
        raise document.error(
            f"API error: {str(fields(answer['error']).get('message', answer['error']))[:300]}"
        )
    for name, entry in mapping(answer.get("data"), document, "data").items():
        yield _type(name, fields(entry))


def _type(name: str, entry: Mapping[str, Any]) -> Fact:
    kind = fields(entry.get("instance_type"))
    specs = fields(kind.get("specs"))
    row = {"name": name, "price_cents_per_hour": kind.get("price_cents_per_hour"), "gpus": specs.get("gpus")}
    named = _NAMED_SIZE.match(name)
    if number(specs.get("gpus")) == 0 or name.startswith("cpu_"):
        return Skipped("no GPU", row)
    stated = within(specs.get("gpus"), 72)
    gpus = Decimal(named.group(1)) if named else stated
    if gpus is None or stated not in (None, gpus) or kind.get("name", name) != name:
        return Skipped("name and GPU count disagree", row)
    cents = within(kind.get("price_cents_per_hour"), 100 * MOST_USD)
    label = kind.get("gpu_description")
    if cents is None or not isinstance(label, str):
        return Skipped("no price" if cents is None else "no GPU description", row)
    regions: Any = entry.get("regions_with_capacity_available")
    stock = Availability.UNKNOWN
    if isinstance(regions, list):
        stock = Availability.AVAILABLE if regions else Availability.SOLD_OUT
    storage = within(specs.get("storage_gib"), 10**7)
    memory = re.search(r"\((\d{1,4}) GB", label)
    return _offer(
        row,
        name,
        label,
        int(gpus),
        Price(amount=cents / 100, unit=Unit.HOUR),
        gpu_memory_gib=Decimal(memory.group(1)) if memory else None,
        vcpus=within(specs.get("vcpus"), 10_000),
        memory_gib=within(specs.get("memory_gib"), 10**6),
        local_storage_gb=round(storage * GB_PER_GIB, 0) if storage else None,
        availability=stock,
    )


def _offer(row: Any, sku: str, label: str, gpus: int, price: Price, **shape: Any) -> Offer | Skipped:
    return priced(
        row,
        provider="lambda",
        sku=sku,
        instance_type=sku,
        gpu_label=label,
        gpu_count=Decimal(gpus),
        min_gpus=gpus,
        purchase_option=PurchaseOption.ON_DEMAND,
        price=price,
        billing_increment_seconds=60,
        **shape,
    )


def _page(document: Document) -> Iterator[Fact]:
    page = soup(document)
    tables: list[Tag] = []
    for table in page.find_all("table"):
        lines = table.select("tr[data-plan]")
        if any("vram/gpu" in _cells(line) for line in lines):
            tables.append(table)
        else:
            yield from (Skipped("row of a cluster table", words(line)) for line in lines)
    sizes = _sizes(document, page, tables)
    _check_sizes(document, sizes, tables)
    for size, table in zip(sizes, tables, strict=True):
        for line in table.select("tr[data-plan]"):
            yield _line(line, size)


def _sizes(document: Document, page: Tag, tables: Sequence[Tag]) -> list[int]:
    """GPUs per instance of each table: as stated, or by position where there are the four that we know."""
    tabs = page.find_all(role="tab", limit=64)
    stated = [_stated_size(page, table, tabs) for table in tables[:64]]
    sizes = [size for size in stated if size is not None]
    if tables and len(sizes) == len(tables):
        return sizes
    if len(tables) != len(SIZES) or any(
        size not in (None, place) for size, place in zip(stated, SIZES, strict=True)
    ):
        raise document.error(
            f"{counted(len(tables), 'instance table')} with the sizes {stated}; {SIZES} expected"
        )
    return [*SIZES]


def _stated_size(page: Tag, table: Tag, tabs: Sequence[Tag]) -> int | None:
    """The size, such as `8x GPU`, on the tab that opens this table or on a heading right above it."""
    titles: list[Tag | None] = []
    for panel in table.find_parents(limit=6):
        titles.append(page.find(id=str(panel.get("aria-labelledby") or "none")))
        titles.extend(tab for tab in tabs if tab.get("aria-controls") == panel.get("id", "none"))
    heading = table.find_previous(["h2", "h3", "h4", "h5"])
    if heading is not None and heading.find_next("table") is table:
        titles.append(heading)
    matches = (_SIZE.match(words(title)) for title in titles)
    return next((int(match.group(1)) for match in matches if match), None)


def _check_sizes(document: Document, sizes: Sequence[int], tables: Sequence[Tag]) -> None:
    """The larger instance of one GPU has more vCPUs; otherwise the tables are not what we take them for."""
    seen: dict[tuple[str, str], dict[int, Decimal]] = {}
    for size, table in zip(sizes, tables, strict=True):
        for line in table.select("tr[data-plan]"):
            cells = _cells(line)
            vcpus = size_in(cells.get("vcpus", ""), 10_000)
            if vcpus is not None:
                plan = (str(line["data-plan"]), cells.get("vram/gpu", ""))
                seen.setdefault(plan, {}).setdefault(size, vcpus)
    for (plan, _), by_size in seen.items():
        ordered = [int(by_size[size]) for size in sorted(by_size)]
        if any(small >= large for small, large in pairwise(ordered)):
            raise document.error(f"{plan}: vCPUs {ordered} do not grow with the instance")


def _cells(line: Tag) -> dict[str, str]:
    """Cells by their label, folded and without the footnote mark."""
    cells = line.find_all(["td", "th"], attrs={"data-label": True})
    return {str(cell["data-label"]).strip(" *").casefold(): words(cell) for cell in cells}


def _line(line: Tag, size: int) -> Fact:
    cells = _cells(line)
    plan = str(line["data-plan"]).strip()
    row = {"plan": plan, "size": size, **cells}
    memory = size_in(cells.get("vram/gpu", ""), 4096)
    amount = exact_usd(cells.get("price/gpu/hr", ""))
    if amount is None or not plan or memory is None:
        return Skipped("no price" if amount is None else "no GPU memory", row)
    words_of_plan = plan.casefold().removeprefix("nvidia ").strip()
    gpu_type = TYPES.get((words_of_plan, int(memory), size)) or TYPES.get((words_of_plan, int(memory), 0))
    name, label = gpu_type or (slug(f"{words_of_plan} {memory:f}gb", "_"), plan)
    return _offer(
        row,
        f"gpu_{size}x_{name}",
        label,
        size,
        Price(amount=amount, unit=Unit.GPU_HOUR),
        gpu_memory_gib=memory,
        vcpus=size_in(cells.get("vcpus", ""), 10_000),
        memory_gib=size_in(cells.get("ram", ""), 10**6),
        local_storage_gb=_storage_gb(cells.get("storage", "")),
    )


def _storage_gb(text: str) -> Decimal | None:
    match = _AMOUNT_OF_STORAGE.match(text)
    if not match:
        return None
    gib = Decimal(match.group(1)) * (1024 if match.group(2)[0] in "Tt" else 1)
    return round(gib * GB_PER_GIB, 0) or None


SOURCE = Source(
    name="lambda_cloud",
    provider="lambda",
    homepage="https://lambda.ai/pricing",
    every=FOUR_TIMES_A_DAY,
    fresh_for=timedelta(hours=26),
    requests=(
        Request(url="https://lambda.ai/pricing"),
        Request(url="https://cloud.lambda.ai/api/v1/instance-types", credential=_KEY),
    ),
    fallback=(Request(url="https://lambda.ai/instances"),),
    parse=parse,
    parse_batch=parse_batch,
    max_body_mib=8,
    contract=Contract(min_offers=8, must_have=("h100", "a100"), usd_per_gpu_hour=between("0.25", "25")),
    covers="on-demand instances of 1 to 8 GPUs, page per GPU-hour; with a key also stock",
    licence="public page; Lambda's terms of service apply, the data has no stated licence",
)

"""AWS Capacity Blocks for ML: accelerator instances for whole days, paid in advance, in US dollars.

Two answers, told apart by their content:

- The price page, keyless: a row per instance type and region with the effective hourly rate of the instance
  and of one accelerator, in two columns (text of the page of 2024-12) or in one, `$31.464 USD ($3.933 USD)`. A
  row counts only where its two rates agree, so that none is taken for the other.
- `DescribeCapacityBlockOfferings`, with AWS credentials, asked for by `http.aws_api`: blocks that can be had
  in a zone. `upfrontFee` is the total of all instances and hours. Of each type and zone the cheapest counts.

The bulk list has these machines at 0, the operating system's fee, which is no price.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from gpuledger.core.contract import Contract, between
from gpuledger.core.count import MICRO
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Availability, Fact, PurchaseOption, Skipped
from gpuledger.core.provider import InstanceShape, region_code
from gpuledger.scrapers.ec2 import (
    CREDENTIALS,
    MOST_USD,
    asked_region,
    is_region,
    is_zone,
    items,
    shape_or_reason,
    sold,
)
from gpuledger.scrapers.read_html import by_column, exact_usd, soup, whole_in, words
from gpuledger.scrapers.read_json import each_once, price_or_reason
from gpuledger.scrapers.source import DAILY, Source

if TYPE_CHECKING:
    from bs4 import Tag

PAGE = "https://aws.amazon.com/ec2/capacityblocks/pricing/"
TITLES = ("instance type", "region")
RATE_TITLE = "hourly rate"
RATES = re.compile(r"(?P<instance>\$\S+)(?: USD)? \(?(?P<each>\$[0-9.]+)(?: USD)?\)?")
CENT = Decimal("0.01")
MOST_HOURS = 24 * 182
MOST_INSTANCES = 64
"""Longest and largest block (Amazon EC2 user guide, Capacity Blocks for ML, read 2026)."""


def parse(document: Document) -> Iterator[Fact]:
    """Offers of the page, or of one page of offerings.

    Raises:
        ParseError: neither of the two; a page without a table of rates.
    """
    is_offerings = b"DescribeCapacityBlockOfferings" in document.body[:1000]
    return _offerings(document) if is_offerings else each_once(_page(document), document)


def _page(document: Document) -> Iterator[Fact]:
    tables = 0
    for table in soup(document).find_all("table"):
        header, *body = [line.find_all(["th", "td"]) for line in table.find_all("tr")] or [[]]
        titles = [words(cell).casefold().rstrip(" *") for cell in header]
        if set(TITLES) <= set(titles) and any(RATE_TITLE in title for title in titles):
            tables += 1
            for line in body:
                yield from _row(titles, line)
    if not tables:
        raise document.error(f"no table with the columns {', '.join(TITLES)} and {RATE_TITLE}")


def _row(titles: list[str], line: list[Tag]) -> Iterator[Fact]:
    row = by_column(titles, [words(cell) for cell in line])
    if row is None:
        yield Skipped(
            "another number of columns than the header", [words(cell) for cell in line] or "empty row"
        )
        return
    shape = shape_or_reason(row["instance type"].lower(), is_accelerated=True)
    rates = RATES.fullmatch(" ".join(cell for title, cell in row.items() if RATE_TITLE in title))
    amount, each = (exact_usd(rates[part]) if rates else None for part in ("instance", "each"))
    if isinstance(shape, str):
        yield Skipped(shape, row)
    elif amount is None or each is None:
        yield Skipped("no published price", row)
    elif abs(amount / shape.gpu_count - each) > CENT:
        yield Skipped("the rates of instance and accelerator contradict each other", row)
    else:
        for name in re.split(r"\s*[,;\n]\s*", "\n".join(line[titles.index("region")].stripped_strings)):
            region = name if is_region(name) else region_code("aws", name)
            yield (
                _block(row, shape, region, amount)
                if region
                else Skipped("a place without a region code", row)
            )


def _offerings(document: Document) -> Iterator[Fact]:
    region = asked_region(document)
    blocks: list[tuple[Decimal, InstanceShape, dict[str, str]]] = []
    for row in items(document, "DescribeCapacityBlockOfferings", "capacityBlockOfferingSet"):
        shape = shape_or_reason(row.get("instanceType"), is_accelerated=True)
        hours = whole_in(row.get("capacityBlockDurationHours", ""), MOST_HOURS)
        count = whole_in(row.get("instanceCount", ""), MOST_INSTANCES)
        fee = price_or_reason(row.get("upfrontFee"), MOST_USD * MOST_HOURS * MOST_INSTANCES)
        if isinstance(shape, str):
            yield Skipped(shape, row)
        elif row.get("currencyCode") != "USD" or row.get("tenancy", "default") != "default":
            yield Skipped("not in US dollars on shared hardware", row)
        elif not is_zone(row.get("availabilityZone", ""), region):
            yield Skipped("not a zone of the region", row)
        elif hours is None or count is None:
            yield Skipped("no hours or instances", row)
        elif isinstance(fee, str):
            yield Skipped(fee, row)
        else:
            blocks.append(((fee / hours / count).quantize(MICRO), shape, row))
    seen: set[tuple[str, str]] = set()
    for amount, shape, row in sorted(blocks, key=lambda entry: entry[0]):
        zone = row["availabilityZone"]
        if (shape.instance_type, zone) in seen:
            yield Skipped("not the cheapest block of its zone", {**row, "usd_per_hour": f"{amount:f}"})
        else:
            seen.add((shape.instance_type, zone))
            yield _block(row, shape, region, amount, zone, Availability.AVAILABLE)


def _block(
    row: object,
    shape: InstanceShape,
    region: str,
    amount: Decimal,
    zone: str | None = None,
    stock: Availability = Availability.UNKNOWN,
) -> Fact:
    most = int(MOST_INSTANCES * shape.gpu_count)
    option = PurchaseOption.CAPACITY_BLOCK
    return sold(row, shape, region, option, amount, zone=zone, availability=stock, max_gpus=most)


SOURCE = Source(
    name="aws_capacity_blocks",
    provider="aws",
    homepage=PAGE,
    every=DAILY,
    requests=(Request(url=PAGE),),
    parse=parse,
    credentials=CREDENTIALS,
    contract=Contract(min_offers=8, must_have=("h100", "h200"), usd_per_gpu_hour=between("0.3", "25")),
    covers="Capacity Blocks: accelerator instances for 1 to 182 days per region, with credentials per zone",
    licence="public price page, and the EC2 API; no stated licence, AWS site terms apply",
)

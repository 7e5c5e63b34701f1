"""Epoch's "Hardware prices.csv": hand-collected prices since 2017, USD per chip and hour, one source per row.

Columns on-demand, 1-year and 3-year commitment; a purchase price of hardware is no rental and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gpuledger.core.document import Document
from gpuledger.core.money import Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.core.provider_name import provider_id
from gpuledger.scrapers.archives.archive_row import Sighting, amount_text, decimal, fact, instant_of_text
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.archives.table import csv_rows
from gpuledger.scrapers.source import Source

_PRICES = (
    ("Price per chip-hour (on-demand)", PurchaseOption.ON_DEMAND, None),
    ("Price per chip-hour (1-year CUD)", PurchaseOption.RESERVED, 12),
    ("Price per chip-hour (3-year CUD)", PurchaseOption.RESERVED, 36),
)
_REQUIRED = (
    "Price date",
    "Hardware model",
    "Vendor",
    "Location",
    "Number of GPUs",
    *(name for name, _, _ in _PRICES),
)


def parse(document: Document) -> Iterator[Fact]:
    """All rental prices of the table.

    Raises:
        ParseError: other columns.
    """
    for row in csv_rows(document, document.text()):
        if missing := [name for name in _REQUIRED if name not in row]:
            raise document.error(f"no column {missing[0]!r}; there are {list(row)[:8]}")
        yield from _row(row)


def _row(row: Mapping[str, str]) -> Iterator[Fact]:
    observed_at = instant_of_text(row["Price date"])
    priced = [(text, option, months) for name, option, months in _PRICES if (text := amount_text(row[name]))]
    if observed_at is None or not priced:
        yield Skipped("no date" if observed_at is None else "a purchase, not a rental", dict(row))
        return
    provider = provider_id(row["Vendor"])
    count = decimal(row["Number of GPUs"]) or Decimal(1)
    for text, option, months in priced:
        sighting: dict[str, Any] = {"term_months": None if months is None else Decimal(months)}
        yield fact(
            Sighting(
                provider=provider,
                # Chips, not machines: the same chip of one cloud is one product, however many were asked
                # about.
                sku=f"{row['Hardware model']} x{count:f}",
                observed_at=observed_at,
                amount=text,
                unit=Unit.GPU_HOUR,
                option=option,
                region=row["Location"].strip() or "global",
                gpu_label=row["Hardware model"],
                gpu_count=count,
                **sighting,
            ),
            dict(row),
        )


SOURCE = Source(
    name="epoch",
    provider="several",
    homepage="https://github.com/epoch-research/training-cost-trends",
    every=timedelta(days=90),
    requests=(),
    is_dated_list=True,
    confidence="curated",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="Azure, Google Cloud, AWS, Lambda, RunPod and others, 2017-02 to 2025-03, collected by hand",
    licence="CC BY 4.0 (Epoch AI)",
)

"""The Full Stack's `cloud-gpus.csv`: a table kept by hand, `Cloud,GPU Type,..,On-demand,Per-GPU,Spot,Name`.

`On-demand` and `Spot` are USD per instance and hour; `Per-GPU` is derived and not read. The memory of one GPU
stands in brackets after its name. No row names a region. The file's date is its commit's, which stands in the
name (`cloud-gpus_20220805T040606Z.csv`) or is given with --observed-at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

from gpuledger.core.document import Document
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.archives.archive_row import Sighting, amount_text, decimal, fact, instant_of_text
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.archives.table import csv_rows
from gpuledger.scrapers.source import Source, full_snapshots

COLUMNS = ("Cloud", "GPU Type", "GPUs", "GPU RAM", "vCPUs", "RAM", "On-demand", "Spot", "Name")

_TIME = re.compile(r"(20\d{6}T\d{6}Z|20\d{2}-\d{2}-\d{2})")
_MEMORY = re.compile(r"\((\d+) ?GB\)")
_PRICES = (("On-demand", PurchaseOption.ON_DEMAND), ("Spot", PurchaseOption.SPOT))


def parse(document: Document) -> Iterator[Fact]:
    """All rows, on-demand and spot apart.

    Raises:
        ParseError: other columns, or no date.
    """
    match = _TIME.search(document.request.url)
    observed_at = instant_of_text(document.context.get("observed_at") or (match and match[1]))
    if observed_at is None:
        raise document.error("the file has no date; give the time of its commit with --observed-at")
    for row in csv_rows(document, document.text()):
        if missing := [name for name in COLUMNS if name not in row]:
            raise document.error(f"no column {missing[0]!r}; there are {list(row)}")
        for column, option in _PRICES:
            text = amount_text(row[column])
            if option is PurchaseOption.SPOT and not text:
                continue
            if not text:
                yield Skipped("no price", row)
                continue
            yield fact(
                Sighting(
                    provider=row["Cloud"],
                    sku=_sku(row),
                    observed_at=observed_at,
                    amount=text,
                    option=option,
                    gpu_label=row["GPU Type"],
                    gpu_count=decimal(row["GPUs"]),
                    gpu_memory_gib=_memory(row["GPU Type"]),
                    vcpus=decimal(row["vCPUs"]),
                    memory_gib=decimal(row["RAM"].replace(",", "")),
                ),
                row,
            )


def _sku(row: Mapping[str, str]) -> str:
    """The machine's name as its cloud writes it, else what makes the row differ from its neighbours."""
    name = row["Name"].strip()
    if row["Cloud"] == "Azure" and name:
        return f"Standard_{name.removeprefix('Standard_').replace(' ', '_')}"
    return name or f"{row['GPUs']}x {row['GPU Type']}, {row['vCPUs']} vCPU, {row['RAM']} GB"


def _memory(label: str) -> Decimal | None:
    match = _MEMORY.search(label)
    return Decimal(match[1]) if match else None


SOURCE = Source(
    name="cloud-gpus",
    provider="several",
    homepage="https://github.com/the-full-stack/website",
    every=timedelta(days=30),
    list_kind=full_snapshots,
    requests=(),
    is_dated_list=True,
    confidence="curated",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="about 20 clouds, 2022-08 to 2025-03, kept by hand",
    licence="no licence is stated",
)

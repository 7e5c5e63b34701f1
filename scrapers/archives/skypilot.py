"""skypilot-catalog: `catalogs/v5..v8/<cloud>/vms.csv`, one file per cloud and commit.

`Price` and `SpotPrice` are USD per instance and hour, empty where not offered. Header orders differ by
cloud and are read by name. A file does not date itself: the commit's time is given with --observed-at or
stands in the name.

Google is an exception (SkyPilot issue 31): its accelerator rows have no machine and hold the price of the
GPUs alone, the machines' rows hold the host alone. The total is the sum of both; whether a row of eight GPUs
holds the price of one or of eight is read off rows of the same GPU with different counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from gpuledger.core.document import Document
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.core.provider import instance_shape
from gpuledger.scrapers.archives.archive_row import (
    Sighting,
    decimal,
    fact,
    instant_of_text,
    without_dear_spot,
)
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.archives.table import csv_rows
from gpuledger.scrapers.source import Source, full_snapshots

_CLOUD = re.compile(r"(?:^|/)([a-z0-9_]+)/vms\.csv|([a-z0-9]+)[-_]vms")
_TIME = re.compile(r"(20\d{2}-?\d{2}-?\d{2}(?:T?\d{2}:?\d{2}:?\d{2}Z?)?)")
_TOTAL = re.compile(r"TotalGpuMemoryInMiB\W+(\d{1,9})")
_PRICES = (("Price", PurchaseOption.ON_DEMAND), ("SpotPrice", PurchaseOption.SPOT))


def parse(document: Document) -> Iterator[Fact]:
    """All accelerator rows, on-demand and spot apart.

    Raises:
        ParseError: not this table, or cloud and time are nowhere to be found.
    """
    cloud, observed_at = _cloud(document), _observed_at(document)
    rows = list(csv_rows(document, document.text()))
    if rows and not {"InstanceType", "AcceleratorName", "Price", "Region"} <= set(rows[0]):
        raise document.error(f"the columns are {list(rows[0])}")
    yield from without_dear_spot(
        _gcp(rows, observed_at) if cloud == "gcp" else _machines(cloud, rows, observed_at)
    )


def _machines(cloud: str, rows: Sequence[dict[str, str]], observed_at: datetime) -> Iterator[Fact]:
    for row in rows:
        if not row["AcceleratorName"]:
            yield Skipped("no accelerator", row)
            continue
        for column, option in _PRICES:
            if row.get(column):
                yield fact(_sighting(cloud, row, row[column], option, observed_at), row)


def _sighting(
    cloud: str, row: Mapping[str, str], amount: str, option: PurchaseOption, observed_at: datetime
) -> Sighting:
    zone = row.get("AvailabilityZone") or None
    return Sighting(
        provider=cloud,
        sku=row["InstanceType"],
        observed_at=observed_at,
        amount=amount,
        option=option,
        region=row["Region"],
        # On-demand prices are the region's; those of spot differ by zone, which AWS names by its id.
        zone=None if option is PurchaseOption.ON_DEMAND else zone,
        gpu_label=row["AcceleratorName"],
        gpu_count=decimal(row.get("AcceleratorCount")),
        gpu_memory_gib=_memory(row),
        vcpus=decimal(row.get("vCPUs")),
        memory_gib=decimal(row.get("MemoryGiB")),
    )


def _memory(row: Mapping[str, str]) -> Decimal | None:
    """GiB of one accelerator. RunPod's rows hold it as if it were MiB; the total is of all of them."""
    match = _TOTAL.search(row.get("GpuInfo") or "")
    count = decimal(row.get("AcceleratorCount"))
    if match is None or count is None or count < 1:
        return None
    each = Decimal(match[1]) / count
    if not 1 <= each <= 1_000_000:
        return None
    return each if each < 1024 else (each / 1024).quantize(Decimal("0.01"))


def _gcp(rows: Sequence[Mapping[str, str]], observed_at: datetime) -> Iterator[Fact]:
    gpu_rows = {
        (
            row["AcceleratorName"],
            decimal(row["AcceleratorCount"]),
            row["Region"],
            row.get("AvailabilityZone"),
        ): row
        for row in rows
        if row["AcceleratorName"] and not row["InstanceType"]
    }
    is_total = _holds_totals([(key[0], key[1], row) for key, row in gpu_rows.items()])
    for row in rows:
        if not row["InstanceType"]:
            yield Skipped("a GPU without its machine, added where the machine is", dict(row))
            continue
        shape = instance_shape("gcp", row["InstanceType"])
        if shape is None or shape.gpu_count == 0:
            yield Skipped("no accelerator", dict(row))
            continue
        if row["AcceleratorName"]:
            yield Skipped("a machine priced with its GPU, against this archive's rule", dict(row))
            continue
        for column, option in _PRICES:
            host = decimal(row.get(column))
            gpu = _gpu_amount(gpu_rows, shape.gpu_label, shape.gpu_count, row, column, is_total)
            if host is None or gpu is None:
                yield Skipped("a machine without the price of its GPUs", dict(row))
                continue
            yield fact(_sighting("gcp", row, format(host + gpu, "f"), option, observed_at), dict(row))


def _gpu_amount(
    gpu_rows: Mapping[tuple[str, Decimal | None, str, str | None], Mapping[str, str]],
    label: str,
    count: Decimal,
    host: Mapping[str, str],
    column: str,
    is_total: bool | None,
) -> Decimal | None:
    for (name, gpus, region, zone), row in gpu_rows.items():
        if region != host["Region"] or zone != host.get("AvailabilityZone") or gpus != count:
            continue
        if name.replace("-", " ").casefold() == label.replace("-", " ").casefold():
            amount = decimal(row.get(column))
            if amount is None or (is_total is None and count != 1):
                return None
            return amount if is_total else amount * count
    return None


def _holds_totals(rows: Sequence[tuple[str, Decimal | None, Mapping[str, str]]]) -> bool | None:
    """Whether a row of n GPUs holds the price of all n; `None` where no GPU has rows of different counts."""
    seen: dict[tuple[str, str, str | None], dict[Decimal, Decimal]] = {}
    for name, count, row in rows:
        amount = decimal(row.get("Price"))
        if amount is not None and count is not None:
            seen.setdefault((name, row["Region"], row.get("AvailabilityZone")), {})[count] = amount
    votes = [
        prices[most] > prices[least]
        for prices in seen.values()
        if (most := max(prices)) != (least := min(prices))
    ]
    return sum(votes) * 2 > len(votes) if votes else None


def _cloud(document: Document) -> str:
    match = _CLOUD.search(document.request.url)
    cloud = document.context.get("cloud") or (match and (match[1] or match[2]))
    if not cloud:
        raise document.error("no cloud in the address, as in catalogs/v8/aws/vms.csv; give --set cloud=aws")
    return cloud


def _observed_at(document: Document) -> datetime:
    match = _TIME.search(document.request.url)
    observed_at = instant_of_text(document.context.get("observed_at") or (match and match[1]))
    if observed_at is None:
        raise document.error("the file has no date; give the time of its commit with --observed-at")
    return observed_at


SOURCE = Source(
    name="skypilot",
    provider="several",
    homepage="https://github.com/skypilot-org/skypilot-catalog",
    every=timedelta(days=1),
    list_kind=full_snapshots,
    requests=(),
    is_dated_list=True,
    confidence="observed",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="catalogues of 20 clouds since 2022, one version per commit",
    licence="Apache-2.0 repository",
)

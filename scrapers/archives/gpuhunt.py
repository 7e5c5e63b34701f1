"""gpuhunt's catalogues: a zip with one CSV per provider (v1, v2) or one provider's CSV (v3).

Columns came over time (instance_name .. spot 2023-08, disk_size 2023-12, gpu_vendor 2024-08, flags 2025-02,
cpu_arch 2025-04, provider_data 2025-10), so they are read by name and may be absent. `price` is USD per
instance and hour, `gpu_memory` GB of one GPU. The time is that of the file's version, `20240611` or
`20250401-4711`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from gpuledger.core.document import Document
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.archives.archive_row import (
    Sighting,
    decimal,
    fact,
    instant_of_text,
    without_dear_spot,
)
from gpuledger.scrapers.archives.changes import LIST_CONTRACT
from gpuledger.scrapers.archives.table import csv_rows, zip_members
from gpuledger.scrapers.read_json import fields
from gpuledger.scrapers.source import Source, full_snapshots

_VERSION = re.compile(r"(20\d{6})(?:-\d+)?(?=/|$|\.|_)")
_ZONE = re.compile(r"^(?P<region>[a-z]+-[a-z]+\d+)-(?P<zone>[a-z])$")

A_DAY_LATER = timedelta(hours=1)
"""The nightly workflow ran at 01:00 UTC (README of the repository, 2023-10)."""


def parse(document: Document) -> Iterator[Fact]:
    """All rows with an accelerator of all providers in the zip; a bare CSV is taken as a v3 member.

    Raises:
        ParseError: no zip or no catalogue, or its version is nowhere to be found.
    """
    if document.body[:2] != b"PK":
        members = [(PurePosixPath(document.request.url).name, document.text())]
    else:
        members = list(zip_members(document))
    version = next((text.strip() for name, text in members if name.endswith("version")), "")
    observed_at = _observed_at(document, version)
    for name, text in members:
        if name.endswith(".csv"):
            provider = document.context.get("provider") or PurePosixPath(name).stem
            rows = csv_rows(document, text)
            yield from without_dear_spot(_fact(provider, row, observed_at) for row in rows)


def _observed_at(document: Document, version: str) -> datetime:
    stated = instant_of_text(document.context.get("observed_at"))
    if stated is not None:
        return stated
    dated = _VERSION.search(version) or _VERSION.search(document.request.url)
    if dated is None:
        raise document.error("neither the zip nor its address says of which day it is; give --observed-at")
    return datetime.strptime(dated[1], "%Y%m%d").replace(tzinfo=UTC) + A_DAY_LATER


def _fact(provider: str, row: Mapping[str, str], observed_at: datetime) -> Fact:
    if decimal(row.get("gpu_count")) is None:
        return Skipped("no accelerator", dict(row))
    data = _provider_data(row.get("provider_data"))
    if data.get("is_dws_calendar_mode") or "calendar" in (row.get("flags") or ""):
        return Skipped("a reservation for fixed dates among the on-demand rows", dict(row))
    location = row.get("location") or "global"
    zone = _ZONE.match(location) if provider == "gcp" else None
    return fact(
        Sighting(
            provider=provider,
            sku=row.get("instance_name") or "",
            observed_at=observed_at,
            amount=row.get("price"),
            option=PurchaseOption.SPOT if row.get("spot") == "True" else PurchaseOption.ON_DEMAND,
            region=zone["region"] if zone else location,
            gpu_label=(row.get("gpu_name") or "").removeprefix("tpu-") or None,
            gpu_count=decimal(row.get("gpu_count")),
            gpu_memory_gib=decimal(row.get("gpu_memory")),
            vcpus=decimal(row.get("cpu")),
            memory_gib=decimal(row.get("memory")),
        ),
        dict(row),
    )


def _provider_data(text: str | None) -> dict[str, Any]:
    try:
        return fields(json.loads(text)) if text else {}
    except ValueError:
        return {}


SOURCE = Source(
    name="gpuhunt",
    provider="several",
    homepage="https://github.com/dstackai/gpuhunt",
    every=timedelta(days=1),
    list_kind=full_snapshots,
    requests=(),
    is_dated_list=True,
    confidence="observed",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="daily and hourly catalogues of 9 to 12 clouds since 2023-08",
    licence="data of an MPL-2.0 project; no data licence is stated",
)

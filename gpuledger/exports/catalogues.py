"""Catalogues of SkyPilot and gpuhunt, which dstack reads as well."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gpuledger import formats
from gpuledger.exports.names import (
    GPUHUNT_PROVIDERS,
    SKYPILOT_CLOUDS,
    VENDORS,
    count_of,
    gpuhunt_name,
    skypilot_name,
)

OfferRows = Sequence[dict[str, Any]]
Left = Counter[str]

SKYPILOT_COLUMNS = (
    *("InstanceType", "vCPUs", "MemoryGiB", "AcceleratorName", "AcceleratorCount", "GpuInfo", "Price"),
    *("SpotPrice", "Region", "AvailabilityZone"),
)
GPUHUNT_COLUMNS = (
    *("instance_name", "location", "price", "cpu", "memory", "gpu_count", "gpu_name", "gpu_memory", "spot"),
    *("disk_size", "gpu_vendor", "flags", "cpu_arch", "provider_data"),
)


def skypilot(rows: OfferRows, folder: Path) -> tuple[list[Path], Left]:
    """`catalogs/v8/CLOUD/vms.csv` of every cloud; returns the files, and how many offers were left out by reason."""
    left: Left = Counter()
    clouds: dict[str, dict[tuple[Any, ...], dict[str, str]]] = defaultdict(dict)
    for row in rows:
        reason = _no_machine(row)
        if reason is None and row["provider"] == "gcp":
            reason = "Google's rows part host and accelerator, and no source states the parts"
        if reason is not None:
            left[reason] += 1
            continue
        key = (row["instance_type"], row["region"], row["zone"] or "", row["tier"] or "", row["gpu_id"])
        cells = clouds[SKYPILOT_CLOUDS.get(row["provider"], row["provider"])].setdefault(
            key, _skypilot_row(row)
        )
        column = "SpotPrice" if row["purchase_option"] == "spot" else "Price"
        if not cells[column] or float(cells[column]) > float(row["usd_per_hour"]):
            cells[column] = formats.digits(row["usd_per_hour"])
    files: list[Path] = []
    for cloud, table in sorted(clouds.items()):
        path = folder / "catalogs" / "v8" / cloud / "vms.csv"
        files.append(_write_csv(path, SKYPILOT_COLUMNS, _by_name(table.values(), "InstanceType", "Region")))
    return files, left


def _by_name(rows: Iterable[dict[str, str]], *columns: str) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: (*(row[column] for column in columns), *row.values()))


def _skypilot_row(row: Mapping[str, Any]) -> dict[str, str]:
    count, name = formats.digits(row["gpu_count"]), skypilot_name(row["gpu_id"])
    each = int(row["gpu_memory_gib"] * 1024)
    info = {
        "Gpus": [
            {
                "Name": name,
                "Manufacturer": (row["gpu_vendor"] or "").upper(),
                "Count": float(row["gpu_count"]),
                "MemoryInfo": {"SizeInMiB": each},
            }
        ],
        "TotalGpuMemoryInMiB": int(each * row["gpu_count"]),
    }
    return {
        "InstanceType": row["instance_type"],
        "vCPUs": formats.digits(row["vcpus"]) if row["vcpus"] is not None else "",
        "MemoryGiB": formats.digits(row["memory_gib"]) if row["memory_gib"] is not None else "",
        "AcceleratorName": name,
        "AcceleratorCount": count,
        # SkyPilot's own files have Python's notation here
        "GpuInfo": str(info),
        "Price": "",
        "SpotPrice": "",
        "Region": row["region"],
        "AvailabilityZone": row["zone"] or "",
    }


def _no_machine(row: Mapping[str, Any]) -> str | None:
    if row["purchase_option"] not in ("on_demand", "spot"):
        return "a commitment, which the catalogue has no place for"
    if row["usd_per_hour"] is None:
        return "a price without an exchange rate"
    if row["gpu_id"] is None or row["gpu_memory_gib"] is None:
        return "no accelerator is known by that label"
    return None if count_of(dict(row)) else "part of an accelerator"


def gpuhunt(rows: OfferRows, folder: Path, *, at: datetime) -> tuple[list[Path], Left]:
    """v3 of gpuhunt: `PROVIDER/version` and `PROVIDER/VERSION/catalog.zip`; and `PROVIDER.csv`
    for `GPUHUNT_CATALOG_DIR`."""
    left: Left = Counter()
    providers: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        reason = _no_machine(row)
        if reason is None and (row["vcpus"] is None or row["memory_gib"] is None):
            reason = "processors or memory are not published, and gpuhunt needs both"
        if reason is None and row["gpu_vendor"] not in VENDORS:
            reason = "a maker of accelerators that gpuhunt does not know"
        if reason is not None:
            left[reason] += 1
            continue
        provider: str = row["provider"]
        providers[GPUHUNT_PROVIDERS.get(provider, provider)].append(_gpuhunt_row(row))
    version, files = f"{at:%Y%m%d}", list[Path]()
    for provider, provider_rows in sorted(providers.items()):
        path = _write_csv(
            folder / f"{provider}.csv", GPUHUNT_COLUMNS, _by_name(provider_rows, "instance_name", "location")
        )
        archive = folder / provider / version / "catalog.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        _zip(archive, f"{provider}.csv", path.read_bytes(), at)
        (folder / provider / "version").write_text(version, encoding="ascii")
        files += [path, archive, folder / provider / "version"]
    return files, left


def _gpuhunt_row(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "instance_name": row["instance_type"],
        "location": row["zone"] or row["region"],
        "price": formats.digits(row["usd_per_hour"]),
        "cpu": str(int(row["vcpus"])),
        "memory": formats.digits(row["memory_gib"]),
        "gpu_count": formats.digits(row["gpu_count"]),
        "gpu_name": gpuhunt_name(row["gpu_id"]),
        "gpu_memory": formats.digits(row["gpu_memory_gib"]),
        "spot": str(row["purchase_option"] == "spot"),
        "disk_size": formats.digits(row["local_storage_gb"]) if row["local_storage_gb"] is not None else "",
        "gpu_vendor": row["gpu_vendor"],
        "flags": "",
        "cpu_arch": row["cpu_arch"] or "x86",
        "provider_data": json.dumps({"offer_id": row["offer_id"]}),
    }


def _zip(path: Path, name: str, body: bytes, at: datetime) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        # of a fixed time, so that the same catalogue is the same bytes
        archive.writestr(zipfile.ZipInfo(name, date_time=(at.year, at.month, at.day, 0, 0, 0)), body)


def dstack(rows: OfferRows, path: Path) -> tuple[list[Path], Left]:
    """What `dstack offer --json` shows: offers with their resources, cheapest first."""
    left: Left = Counter()
    offers: list[dict[str, Any]] = []
    for row in rows:
        reason = _no_machine(row)
        if reason is not None:
            left[reason] += 1
            continue
        gpu = {
            "vendor": row["gpu_vendor"],
            "name": gpuhunt_name(row["gpu_id"]),
            "memory_mib": int(row["gpu_memory_gib"] * 1024),
        }
        offers.append(
            {
                "backend": row["provider"],
                "region": row["region"],
                "instance_type": row["instance_type"],
                "resources": {
                    "cpus": None if row["vcpus"] is None else int(row["vcpus"]),
                    "memory_mib": None if row["memory_gib"] is None else int(row["memory_gib"] * 1024),
                    "gpus": [gpu] * int(row["gpu_count"]),
                    "spot": row["purchase_option"] == "spot",
                },
                "spot": row["purchase_option"] == "spot",
                "price": float(row["usd_per_hour"]),
                "availability": row["availability"],
                "offer_id": row["offer_id"],
            }
        )
    offers.sort(key=lambda offer: (offer["price"], offer["offer_id"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"total_offers": len(offers), "offers": offers}, indent=1) + "\n")
    return [path], left


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    return path


write_csv = _write_csv

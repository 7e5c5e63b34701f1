"""Price lists of cost tools: OpenCost's custom prices, FOCUS rows, and Prometheus's text file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gpuledger import formats
from gpuledger.exports.catalogues import OfferRows, write_csv
from gpuledger.exports.names import skypilot_name

OPENCOST_COLUMNS = (
    *(
        "EndTimestamp",
        "InstanceID",
        "Region",
        "AssetClass",
        "InstanceIDField",
        "InstanceType",
        "MarketPriceHourly",
    ),
    "Version",
)
INSTANCE_TYPE = "metadata.labels.node.kubernetes.io/instance-type"
"""Label of Kubernetes by which OpenCost finds a node's row."""


def opencost(rows: OfferRows, path: Path, *, at: datetime) -> tuple[list[Path], Counter[str]]:
    """OpenCost's CSV of custom prices: nodes by instance type and region, on demand, the cheapest of each."""
    left: Counter[str] = Counter()
    cheapest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row["purchase_option"] != "on_demand" or row["usd_per_hour"] is None:
            left["no on-demand price in dollars"] += 1
            continue
        key = (row["instance_type"], row["region"])
        if key not in cheapest or row["usd_per_hour"] < cheapest[key]["usd_per_hour"]:
            cheapest[key] = row
    table = [
        {
            "EndTimestamp": f"{at:%Y-%m-%d %H:%M:%S} UTC",
            "InstanceID": instance,
            "Region": "" if region == "global" else region,
            "AssetClass": "node",
            "InstanceIDField": INSTANCE_TYPE,
            "InstanceType": instance,
            "MarketPriceHourly": formats.digits(row["usd_per_hour"]),
            "Version": "",
        }
        for (instance, region), row in sorted(cheapest.items())
    ]
    return [write_csv(path, OPENCOST_COLUMNS, table)], left


def focus(rows: Sequence[dict[str, Any]], path: Path) -> tuple[list[Path], Counter[str]]:
    """FOCUS 1.2 price rows, columns as `focus_sku_price` has them."""
    columns = list(rows[0]) if rows else []
    plain = [{name: "" if value is None else _text(value) for name, value in row.items()} for row in rows]
    return [write_csv(path, columns, plain)], Counter()


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def prometheus(rows: OfferRows, path: Path) -> tuple[list[Path], Counter[str]]:
    """A file for node_exporter's textfile collector: the cheapest price per accelerator, provider and option."""
    left: Counter[str] = Counter()
    cheapest: dict[tuple[str, str, str], Any] = {}
    for row in rows:
        if row["gpu_id"] is None or row["usd_per_gpu_hour"] is None:
            left["no accelerator or no price in dollars"] += 1
            continue
        key = (row["gpu_id"], row["provider"], row["purchase_option"])
        cheapest[key] = min(cheapest.get(key, row["usd_per_gpu_hour"]), row["usd_per_gpu_hour"])
    name = "gpuledger_usd_per_gpu_hour"
    lines = [
        f"# HELP {name} Cheapest price of one accelerator and hour in US dollars.",
        f"# TYPE {name} gauge",
        *(
            f'{name}{{gpu_id="{gpu_id}",accelerator="{skypilot_name(gpu_id)}",provider="{provider}",'
            f'purchase_option="{option}"}} {formats.digits(usd)}'
            for (gpu_id, provider, option), usd in sorted(cheapest.items())
        ),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    # the collector must never see half a file
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    temporary.replace(path)
    return [path], left

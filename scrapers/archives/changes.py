"""A change list in our own documented form, and the forms of it that public repositories keep.

One row per offer and time. Columns, with the other names they go by; `docs/import.md` describes them:

    observed_at     date, timestamp, snapshot_date, generated_at, inserted_at
    event           baseline, added, changed, removed; without it every row is a price
    provider        vendor_id; or given on the command line: --set provider=aws
    sku             instance_type, machine_type, arm_sku_name, size, instance, server_id
    price           price_usd_hour, price_usd, raw_value, price_usd_per_hour: of the instance and hour;
                    usd_per_gpu_hour, price_per_gpu_hour, per_gpu_hourly_usd: of one GPU
    purchase_option price_tier, metric, term, availability_tier, allocation

With events the rows of a list hold until another one says otherwise, or until the list ends; without them each row
is an observation by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document
from gpuledger.core.money import Unit
from gpuledger.core.offer import Fact, PurchaseOption, Skipped
from gpuledger.scrapers.archives.archive_row import (
    Sighting,
    amount_text,
    cell,
    decimal,
    fact,
    instant_of_text,
    without_dear_spot,
)
from gpuledger.scrapers.archives.table import table_rows
from gpuledger.scrapers.source import Source

_INSTANCE_PRICE = ("price", "price_usd_hour", "price_usd_per_hour", "usd_per_hour", "price_usd", "raw_value")
_TIME = ("observed_at", "timestamp", "date", "snapshot_date", "ts_utc", "generated_at", "inserted_at")
_PRODUCT = ("sku", "instance_type", "machine_type", "arm_sku_name", "size", "instance", "server_id")
_GPU_PRICE = ("usd_per_gpu_hour", "price_per_gpu_hour", "per_gpu_hourly_usd", "price_usd_per_gpu_hr")

ESTIMATED = {"historical_estimate", "estimate", "estimated", "static", "static_yaml", "seed", "constant"}
"""Words by which archives mark rows that nobody observed."""

TIERS = {"secure", "community"}
LINUX = {"", "linux", "linux/unix"}

# metric of the archive -> (how it is bought, months committed, unit)
_METRICS: dict[str, tuple[PurchaseOption, int | None, Unit]] = {
    "on_demand": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "ondemand": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "hour": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "spot": (PurchaseOption.SPOT, None, Unit.HOUR),
    "hour_spot": (PurchaseOption.SPOT, None, Unit.HOUR),
    "preemptible": (PurchaseOption.SPOT, None, Unit.HOUR),
    "interruptible": (PurchaseOption.SPOT, None, Unit.HOUR),
    "bid": (PurchaseOption.SPOT, None, Unit.HOUR),
    "on-demand": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "secure": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "community": (PurchaseOption.ON_DEMAND, None, Unit.HOUR),
    "cud-1y": (PurchaseOption.RESERVED, 12, Unit.HOUR),
    "cud-3y": (PurchaseOption.RESERVED, 36, Unit.HOUR),
    "12mo": (PurchaseOption.RESERVED, 12, Unit.HOUR),
    "36mo": (PurchaseOption.RESERVED, 36, Unit.HOUR),
    "month_1y": (PurchaseOption.RESERVED, 12, Unit.MONTH),
    "month_3y": (PurchaseOption.RESERVED, 36, Unit.MONTH),
}

_SIGNED = {"€": "EUR", "£": "GBP"}


def parse(document: Document) -> Iterator[Fact]:
    """The rows of a change list, in the order of the file."""
    yield from without_dear_spot(_fact(row, document.context) for row in table_rows(document))


def _fact(row: Mapping[str, Any], context: Mapping[str, str]) -> Fact:
    merged = {**context, **{name: value for name, value in row.items() if value not in (None, "")}}
    refusal = _refusal(merged)
    if refusal:
        return Skipped(refusal, dict(row))
    observed_at = instant_of_text(cell(merged, *_TIME))
    if observed_at is None:
        return Skipped("no time of observation", dict(row))
    metric = str(
        cell(merged, "purchase_option", "price_tier", "metric", "term", "availability_tier", "allocation")
        or "on_demand"
    ).lower()
    if metric not in _METRICS:
        return Skipped("a commitment or a price that is not described fully", dict(row))
    option, months, unit = _METRICS[metric]
    label = cell(merged, "gpu_label", "gpu_model", "gpu_type", "gpu_name", "gpu")
    sku = cell(merged, *_PRODUCT) or label
    provider, region = _provider(merged), cell(merged, "region", "datacenter_id", "region_canonical")
    if provider is None or sku is None:
        return Skipped("no provider or no product is named", dict(row))
    per_gpu = cell(merged, *_GPU_PRICE)
    amount = cell(merged, *_INSTANCE_PRICE) if per_gpu is None else per_gpu
    signed = next((name for sign, name in _SIGNED.items() if sign in str(amount)), None)
    currency = str(cell(merged, "currency") or signed or "USD")
    if signed is not None and currency != signed:
        return Skipped("the price's sign is of another currency than the row states", dict(row))
    if provider == "aws" and str(region).startswith("cn-") and currency == "USD":
        return Skipped("a price in yuan under a heading of dollars", dict(row))
    return fact(
        Sighting(
            provider=provider,
            sku=str(sku),
            observed_at=observed_at,
            amount=amount_text(str(amount)) if amount is not None else None,
            unit=Unit.GPU_HOUR if per_gpu is not None else Unit(str(cell(merged, "unit") or unit.value)),
            currency=currency,
            option=option,
            region=str(region or "global"),
            zone=cell(merged, "zone"),
            tier=next((word for word in (merged.get("tier"), metric) if word in TIERS), None),
            gpu_label=label,
            # A list of prices per GPU is about one of them where it does not say otherwise.
            gpu_count=decimal(cell(merged, "gpu_count", "gpus")) or (None if per_gpu is None else Decimal(1)),
            gpu_memory_gib=decimal(cell(merged, "gpu_memory_gib", "vram_gb")),
            vcpus=decimal(cell(merged, "vcpus")),
            memory_gib=decimal(cell(merged, "memory_gib")),
            term_months=None if months is None else Decimal(months),
            is_withdrawal=merged.get("event") == "removed",
        ),
        dict(row),
    )


def _refusal(row: Mapping[str, Any]) -> str | None:
    """Why a row is no observation of the plain price, or `None`."""
    if str(row.get("source") or "").lower() in ESTIMATED or str(row.get("basis") or "").lower() in ESTIMATED:
        return "an estimate or a constant of the archive, not an observation"
    if row.get("outcome") == "discarded":
        return "discarded by the archive itself"
    system = str(row.get("os") or row.get("operating_system") or "").lower()
    if system not in LINUX:
        return "another operating system"
    if str(row.get("tenancy") or "Shared") != "Shared":
        return "another tenancy"
    if str(row.get("pricing_key") or "").endswith(("_windows", "_rhel", "_suse", "_rhel_ha")):
        return "another operating system"
    return None


def _provider(row: Mapping[str, Any]) -> str | None:
    provider = cell(row, "provider", "vendor_id", "vendor")
    if provider is None and str(row.get("pricing_key") or "") in {"ec2_linux", "azure_linux"}:
        return "aws" if str(row["pricing_key"]).startswith("ec2") else "azure"
    return None if provider is None else str(provider)


def list_kind(document: Document) -> str:
    """A list with events is one of changes; without them its rows are observations, each by itself."""
    first = next(iter(table_rows(document)), None)
    return "changes" if first is not None and "event" in first else "rows"


LIST_CONTRACT = Contract(
    min_offers=1, usd_per_gpu_hour=(Decimal("0.001"), Decimal(500)), spot_below_on_demand=False
)
"""Archives mix years and markets; single rows that cannot be are left out one by one, not the whole list."""

SOURCE = Source(
    name="changes",
    provider="several",
    homepage="",
    every=timedelta(days=3650),
    list_kind=list_kind,
    requests=(),
    is_dated_list=True,
    confidence="reported",
    parse=parse,
    contract=LIST_CONTRACT,
    covers="change lists in the documented form",
    licence="of the list; given with --set licence=...",
)

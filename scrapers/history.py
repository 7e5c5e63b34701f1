# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""The history that ships with the program: which offer had which price from when until when, by which archive.

`sql/history/GROUP.parquet`, one row per offer and interval, distilled by `tools/history/distill.py`. Each archive of a
file is a document of its own: so each has its own coverage, and a receipt names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpuledger.core.contract import Contract
from gpuledger.core.document import Document
from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import TERMS, Fact, Offer, Withdrawn, identity
from gpuledger.core.parquet import parquet_metadata, parquet_table
from gpuledger.core.provider_name import provider_id
from gpuledger.scrapers.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

GROUPS = ("aws", "azure", "curated", "gcp", "neocloud")
"""Files of the bundled history."""

_TERMS = ("provider", "via", "sku", "region", "zone", "tier", "gpu_label")
_SIZES = ("gpu_count", "gpu_memory_gib", "vcpus", "memory_gib")

COLUMNS: Mapping[str, str] = {
    "offer_id": "string",
    **dict.fromkeys((*_TERMS, "instance_type", "gpu_id"), "string"),
    **dict.fromkeys(_SIZES, "size"),
    "min_gpus": "int32",
    "max_gpus": "int32",
    "purchase_option": "string",
    "term_months": "money",
    "payment": "string",
    "operating_system": "string",
    "amount": "money",
    "upfront_amount": "money",
    "currency": "string",
    "unit": "string",
    "seen_from": "time",
    "seen_until": "time",
    "gone_at": "time",
    "archive": "string",
    "archive_version": "string",
}
"""Columns of a file, and what they hold."""

_ABSENT = (
    ("local_storage_gb", "size"),
    ("network", "string"),
    ("billing_increment_seconds", "int32"),
    ("minimum_billing_seconds", "int32"),
    ("effective_at", "time"),
    ("availability", "string"),
)
_FILE_ONLY = ("gpu_id", "seen_from", "seen_until", "gone_at", "archive", "archive_version")
_OF_A_PRICE = (*_SIZES[1:], "min_gpus", "max_gpus", "amount", "upfront_amount", "currency", "unit")


def schema() -> pa.Schema:
    """Of a file, without its metadata."""
    import pyarrow as pa

    return pa.schema([pa.field(name, _types()[kind]) for name, kind in COLUMNS.items()])


def _types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "string": pa.string(),
        "int32": pa.int32(),
        "size": pa.decimal128(18, 4),
        "money": pa.decimal128(18, 6),
        "time": pa.timestamp("us", tz="UTC"),
    }


def archives(body: bytes) -> Sequence[Mapping[str, Any]]:
    """What a file was distilled from: name, licence, version, coverage and what was refused, per archive."""
    return json.loads(parquet_metadata(body)["gpuledger.archives"])


def left_out_rows(body: bytes) -> Sequence[Mapping[str, str]]:
    """Archives that stay out, with the reason."""
    return json.loads(parquet_metadata(body)["gpuledger.left_out"])


def parse_table(document: Document) -> pa.Table:
    """The observations of one archive as the ledger stores them, one row per offer and time; `amount` is null where
    the offer went. Without `gpu_id`: labels are resolved when they are recorded.

    Raises:
        ParseError: no such file, or other columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        table = parquet_table(document.body)
        names = [one["name"] for one in archives(document.body)]
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise document.error(f"no file of the bundled history: {str(error).splitlines()[0]}") from error
    if not table.schema.equals(schema()):
        raise document.error(f"the columns are {table.column_names}")
    archive = document.context.get("archive")
    if archive not in names:
        raise document.error(f"holds no archive {archive!r}, but {', '.join(names)}")
    table = table.filter(pc.equal(table["archive"], archive))
    table = _renamed(table)
    # a dated list is believed between two equal rows, so both ends of an interval are said
    is_longer = pc.greater(table["seen_until"], table["seen_from"])
    parts = [_observed(table, "seen_from"), _observed(table.filter(is_longer), "seen_until")]
    gone = _observed(table.filter(pc.is_valid(table["gone_at"])), "gone_at")
    for name in _OF_A_PRICE:
        gone = gone.set_column(
            gone.column_names.index(name), name, pa.nulls(gone.num_rows, gone.schema.field(name).type)
        )
    return pa.concat_tables([*parts, gone])


def _renamed(table: pa.Table) -> pa.Table:
    """Providers by the names of this release, and the ids of their offers: a file may be older than what is known of
    names."""
    import pyarrow as pa

    written = table["provider"].to_pylist()
    providers = [provider_id(name) for name in written]
    if providers == written:
        return table
    table = table.set_column(
        table.column_names.index("provider"), "provider", pa.array(providers, pa.string())
    )
    terms = table.select(list(TERMS)).to_pylist()
    ids = [
        offer_id if before == now else identity(*row.values())
        for offer_id, before, now, row in zip(
            table["offer_id"].to_pylist(), written, providers, terms, strict=True
        )
    ]
    return table.set_column(table.column_names.index("offer_id"), "offer_id", pa.array(ids, pa.string()))


def _observed(table: pa.Table, when: str) -> pa.Table:
    import pyarrow as pa

    seen = table.drop_columns(list(_FILE_ONLY)).append_column("observed_at", table[when])
    for name, kind in _ABSENT:
        seen = seen.append_column(name, pa.nulls(table.num_rows, _types()[kind]))
    return seen


def parse(document: Document) -> Iterator[Fact]:
    """The same as facts, one by one.

    Raises:
        ParseError: no such file, or other columns.
    """
    for row in parse_table(document).to_pylist():
        terms = {
            name: row[name] for name in (*_TERMS, "gpu_count", "purchase_option", "term_months", "payment")
        }
        if row["amount"] is None:
            yield Withdrawn(**terms, observed_at=row["observed_at"])
            continue
        yield Offer(
            **terms,
            instance_type=row["instance_type"],
            gpu_memory_gib=row["gpu_memory_gib"],
            vcpus=row["vcpus"],
            memory_gib=row["memory_gib"],
            min_gpus=row["min_gpus"],
            max_gpus=row["max_gpus"],
            upfront_amount=row["upfront_amount"],
            price=Price(amount=row["amount"], currency=row["currency"], unit=Unit(row["unit"])),
            observed_at=row["observed_at"],
        )


def _source(group: str, *, provider: str, confidence: str, covers: str, licence: str) -> Source:
    return Source(
        name=f"history_{group}",
        provider=provider,
        homepage="",
        every=timedelta(days=3650),
        requests=(),
        is_dated_list=True,
        confidence=confidence,
        parse=parse,
        parse_table=parse_table,
        contract=Contract(
            min_offers=1, usd_per_gpu_hour=(Decimal("0.001"), Decimal(500)), spot_below_on_demand=False
        ),
        covers=covers,
        licence=licence,
    )


SOURCES = (
    _source(
        "aws",
        provider="aws",
        confidence="observed",
        covers="bundled: on-demand prices of every region from 2013 to 2022, of us-east-1 and GovCloud to June 2025",
        licence="facts of aws/karpenter-provider-aws and apache/libcloud (Apache-2.0), tedivm/ec2details and"
        " vantage-sh/ec2instances.info (MIT)",
    ),
    _source(
        "azure",
        provider="azure",
        confidence="observed",
        covers="bundled: on-demand prices of the N series in every region, October 2023 to June 2025",
        licence="facts of Azure/karpenter-provider-azure (Apache-2.0)",
    ),
    _source(
        "curated",
        provider="several",
        confidence="curated",
        covers="bundled: on-demand and spot prices of about 12 neoclouds, August 2022 to May 2023",
        licence="single facts of the Full Stack's table of cloud GPUs, whose licence is not stated",
    ),
    _source(
        "gcp",
        provider="gcp",
        confidence="derived",
        covers="bundled: on-demand, spot and commitments of the accelerator machine types in every region,"
        " February 2022 to February 2026",
        licence="facts of Cyclenerd/google-cloud-pricing-cost-calculator (Apache-2.0)",
    ),
    _source(
        "neocloud",
        provider="several",
        confidence="observed",
        covers="bundled: daily prices of 20 to 34 providers, July and August 2026",
        licence="CC BY 4.0, gpurentalprices.com",
    ),
)

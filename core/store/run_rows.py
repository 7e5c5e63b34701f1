# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""What a run leaves in the ledger whatever became of its prices: its own row, its documents, and what it skipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from gpuledger.core.offer import Skipped
from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.batch import Batch

EXAMPLE_CHARACTERS = 2000

LogRow = dict[str, Any]

_TIME = pa.timestamp("us", tz="UTC")
_MONEY = pa.decimal128(18, 6)

COLUMNS: dict[str, dict[str, Any]] = {
    "scrape_run": {
        "run_no": pa.int32(),
        "run_id": pa.string(),
        "source": pa.string(),
        "started_at": _TIME,
        "observed_at": _TIME,
        "outcome": pa.string(),
        "is_complete": pa.bool_(),
        "error_kind": pa.string(),
        "error_message": pa.string(),
        "error_url": pa.string(),
        "offer_count": pa.int32(),
        "change_count": pa.int32(),
        "skipped_count": pa.int32(),
        "parser_version": pa.int32(),
        "disputed_count": pa.int32(),
    },
    "document": {
        "document_no": pa.int32(),
        "run_no": pa.int32(),
        "url": pa.string(),
        "method": pa.string(),
        "context": pa.string(),
        "sha256": pa.string(),
        "body_bytes": pa.int64(),
        "status": pa.int32(),
        "content_type": pa.string(),
        "fetched_at": pa.string(),
    },
    "skipped_row": {
        "run_no": pa.int32(),
        "reason": pa.string(),
        "row_count": pa.int32(),
        "example": pa.string(),
    },
    "price_change": {
        "observed_at": _TIME,
        "offer_no": pa.int32(),
        "amount": _MONEY,
        "upfront_amount": _MONEY,
        "currency": pa.string(),
        "unit": pa.string(),
        "effective_at": _TIME,
        "run_no": pa.int32(),
        "document_no": pa.int32(),
    },
    "stock_change": {
        "observed_at": _TIME,
        "offer_no": pa.int32(),
        "availability": pa.string(),
        "run_no": pa.int32(),
    },
}
"""Tables that rows are appended to, with the columns as Arrow has them."""


def append_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[LogRow]) -> None:
    """Append rows to one of `COLUMNS`, in their order."""
    if rows:
        kinds = COLUMNS[table]
        columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
        with sql.registered(connection, appended=pa.table(columns)):
            connection.execute(f"insert into {table} by name from appended")


def run_row(batch: Batch, run_no: int, *, change_count: int, disputed_count: int | None) -> LogRow:
    """The run's own row."""
    manifest, error = batch.manifest, batch.error
    return {
        "run_no": run_no,
        "run_id": manifest.run_id,
        "source": manifest.source,
        "started_at": manifest.started_at,
        "observed_at": manifest.observed_at,
        "outcome": batch.outcome,
        "is_complete": manifest.is_complete and batch.outcome == "accepted",
        "error_kind": error.kind if error else None,
        "error_message": error.message if error else None,
        "error_url": error.url if error else None,
        "offer_count": batch.offer_count or len(batch.offers),
        "change_count": change_count,
        "skipped_count": len(batch.skipped),
        "parser_version": batch.parser_version,
        "disputed_count": disputed_count,
    }


def document_rows(manifest: Manifest, run_no: int, first_document: int) -> list[LogRow]:
    """Its answers, in the order in which they came."""
    return [
        {
            "document_no": number,
            "run_no": run_no,
            "context": json.dumps(entry["context"], sort_keys=True),
            **{name: entry[name] for name in ("url", "method", "sha256", "body_bytes", "status")},
            **{name: entry[name] for name in ("content_type", "fetched_at")},
        }
        for number, entry in enumerate(manifest.documents, first_document)
    ]


def skipped_rows(skipped: Sequence[Skipped], run_no: int) -> list[LogRow]:
    """How many rows were declined for each reason, with the first of them."""
    counts = Counter(row.reason for row in skipped)
    examples = {row.reason: row.row for row in reversed(skipped)}
    return [
        {
            "run_no": run_no,
            "reason": reason,
            "row_count": count,
            "example": json.dumps(examples[reason], default=str, ensure_ascii=False)[:EXAMPLE_CHARACTERS],
        }
        for reason, count in counts.items()
    ]

# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false
"""Runs that showed once more what an earlier run of their source had shown, many at a time.

Most runs of a year are these. Where the earlier run had left nothing to change, recording them one by one finds nothing
either; all that they add is that they happened, and the documents that say so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from gpuledger.core.store import sql
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.database import transaction

_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Repeated:
    """A run, and the earlier one that it is like."""

    manifest: Manifest
    like_run_no: int


def record_repeated(connection: duckdb.DuckDBPyConnection, runs: Sequence[Repeated]) -> None:
    """Append them in their order, in one transaction. Each earlier run has to be recorded, and to have changed
    nothing: then nothing of the log or of the current state changes."""
    if not runs:
        return
    with transaction(connection):
        row = sql.first(
            connection,
            "select (select coalesce(max(run_no), 0) from scrape_run),"
            " (select coalesce(max(document_no), 0) from document)",
        )
        assert row is not None
        documents = _documents(runs, row[0] + 1, row[1] + 1)
        with sql.registered(connection, repeated=_runs(runs, row[0] + 1), repeated_document=documents):
            connection.execute(sql.text("record/repeated_run"))
            connection.execute(sql.text("record/repeated_skip"))
            connection.execute("insert into document by name from repeated_document")


def _runs(runs: Sequence[Repeated], first_run: int) -> pa.Table:
    manifests = [run.manifest for run in runs]
    return pa.table(
        {
            "run_no": pa.array(range(first_run, first_run + len(runs)), pa.int32()),
            "like_run_no": pa.array([run.like_run_no for run in runs], pa.int32()),
            "run_id": pa.array([one.run_id for one in manifests], pa.string()),
            "started_at": pa.array([one.started_at for one in manifests], _TIME),
            "observed_at": pa.array([one.observed_at for one in manifests], _TIME),
        }
    )


def _documents(runs: Sequence[Repeated], first_run: int, first_document: int) -> pa.Table:
    entries = [
        (number, entry) for number, run in enumerate(runs, first_run) for entry in run.manifest.documents
    ]
    named = {
        name: pa.array([entry[name] for _, entry in entries], pa.string())
        for name in ("url", "method", "sha256", "content_type", "fetched_at")
    }
    return pa.table(
        {
            "document_no": pa.array(range(first_document, first_document + len(entries)), pa.int32()),
            "run_no": pa.array([number for number, _ in entries], pa.int32()),
            "context": pa.array(
                [json.dumps(entry["context"], sort_keys=True) for _, entry in entries], pa.string()
            ),
            "body_bytes": pa.array([entry["body_bytes"] for _, entry in entries], pa.int64()),
            "status": pa.array([entry["status"] for _, entry in entries], pa.int32()),
            **named,
        }
    )

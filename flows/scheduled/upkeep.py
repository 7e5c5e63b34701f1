"""Audit and compaction under Prefect, on schedules of their own."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.artifacts import create_table_artifact

from gpuledger.core.config import load_settings
from gpuledger.core.errors import CorruptError, EmptyLedgerError, SourceError
from gpuledger.core.store.home import home_of
from gpuledger.flows.audit import audit_ledger as look
from gpuledger.flows.compact import compact_ledger as let_go
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.scrapers.archives.registry import EVERY_SOURCE


def _ledger() -> LedgerWriter:
    home = home_of(load_settings(os.environ))
    return LedgerWriter(home=home, sources=EVERY_SOURCE, clock=lambda: datetime.now(UTC))


@flow(name="audit", flow_run_name="audit", log_prints=False)
def audit(whole_archive: bool = False) -> dict[str, int]:
    """Look at every source's age, at the checks and the archive.

    Raises:
        CorruptError: a check or a file is broken.
        SourceError: a source is stale beyond its target.
    """
    try:
        report = look(_ledger(), whole_archive=whole_archive)
    except EmptyLedgerError:
        # A new machine: its first refreshes run at once, and each that fails says so itself.
        return {"looked_at": 0}
    table = [asdict(finding) for finding in report.findings]
    create_table_artifact(key="audit", table=table, description="What the audit looked at")
    broken, stale = report.of_state("broken"), report.of_state("stale")
    if broken:
        raise CorruptError("; ".join(f"{finding.name}: {finding.detail}" for finding in broken[:5]))
    if stale:
        first, others = stale[0], [finding.name for finding in stale[1:]]
        more = f"; stale too: {', '.join(others)}" if others else ""
        raise SourceError(first.name, "", f"stale: {first.detail}{more}")
    return {"looked_at": len(table), "not_configured": len(report.of_state("not configured"))}


@flow(name="compact", flow_run_name="compact", log_prints=False)
def compact(keep_documents_days: int | None = None, keep_snapshots: int | None = None) -> dict[str, int]:
    """Let go of old snapshots and left-overs, and of old documents where told to."""
    keep = None if keep_documents_days is None else timedelta(days=keep_documents_days)
    return asdict(let_go(_ledger(), keep_documents=keep, keep_snapshots=keep_snapshots))

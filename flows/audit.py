"""Whether the ledger is what it should be: sources within their targets, checks clean, bytes whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from gpuledger.core.count import counted
from gpuledger.core.errors import CorruptError, StoreError
from gpuledger.core.store.publish import reading
from gpuledger.core.store.rollups import check_rollups
from gpuledger.flows.ledger import AuditFinding, LedgerWriter
from gpuledger.flows.left_over import RECOVERY
from gpuledger.flows.machines import findings as machine_findings
from gpuledger.flows.source_states import source_states


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All findings of one audit."""

    findings: tuple[AuditFinding, ...]

    def of_state(self, state: str) -> tuple[AuditFinding, ...]:
        return tuple(finding for finding in self.findings if finding.state == state)


def audit_ledger(ledger: LedgerWriter, *, whole_archive: bool = False) -> Audit:
    """Look at the newest snapshot and, where asked to, at every byte of the archive.

    Args:
        whole_archive: read every document and compare it with its hash, some 100 MB a second.

    Raises:
        EmptyLedgerError: nothing was published yet.
        CorruptError: the snapshot cannot be read.
    """
    findings: list[AuditFinding] = []
    with reading(ledger.home) as connection:
        for row in source_states(connection, ledger.sources, now=ledger.clock(), environ=os.environ):
            findings.append(_of_source(row))
        try:
            check_rollups(connection, everything=True)
            findings.append(AuditFinding(kind="check", name="sql/checks", state="ok"))
        except StoreError as error:
            findings.append(AuditFinding(kind="check", name="sql/checks", state="broken", detail=str(error)))
        recorded = {row[0] for row in connection.execute("select run_id from scrape_run").fetchall()}
        findings += machine_findings(ledger, connection)
    findings += _unrecorded(ledger, recorded)
    if whole_archive:
        findings += _archive(ledger)
    return Audit(findings=tuple(findings))


def _of_source(row: dict[str, Any]) -> AuditFinding:
    if row["state"] == "ahead":
        detail = f"its last run is dated {-row['age_hours']:g} h ahead of the clock: `gpuledger repair`"
        return AuditFinding(kind="source", name=row["source"], state="broken", detail=detail)
    age = "no accepted run" if row["age_hours"] is None else f"last accepted {row['age_hours']:g} h ago"
    detail = f"{age}, target {row['target_hours']:g} h"
    if row["last_error"]:
        detail += f"; last run {row['last_outcome']}: {row['last_error']}"
    state = "ok" if row["state"] == "fresh" else "stale" if row["is_stale"] else row["state"]
    return AuditFinding(kind="source", name=row["source"], state=state, detail=detail)


def _unrecorded(ledger: LedgerWriter, recorded: set[str]) -> list[AuditFinding]:
    """Runs that were fetched and are not in the ledger; the next refresh takes those that can be read."""
    findings: list[AuditFinding] = []
    for run in ledger.archive.run_ids(ledger.clock() - RECOVERY):
        if run in recorded:
            continue
        try:
            ledger.archive.documents(ledger.archive.manifest(run))
        except CorruptError as error:
            findings.append(AuditFinding(kind="run", name=run, state="broken", detail=str(error)))
    return findings


def _archive(ledger: LedgerWriter) -> list[AuditFinding]:
    """Every manifest and every document, each read once."""
    broken: list[AuditFinding] = []
    seen: set[str] = set()
    runs = ledger.archive.run_ids(None)
    for run in runs:
        try:
            hashes = {entry["sha256"] for entry in ledger.archive.manifest(run).documents} - seen
        except CorruptError as error:
            broken.append(AuditFinding(kind="archive", name=run, state="broken", detail=str(error)))
            continue
        seen |= hashes
        for sha256 in sorted(hashes):
            try:
                ledger.archive.body(sha256)
            except CorruptError as error:
                broken.append(AuditFinding(kind="archive", name=run, state="broken", detail=str(error)))
    whole = AuditFinding(
        kind="archive",
        name="archive",
        state="ok",
        detail=f"{counted(len(runs), 'run')}, {counted(len(seen), 'document')}",
    )
    return broken or [whole]

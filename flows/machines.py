"""What a machine of a shared store says of itself, and what an audit makes of what all of them said."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import duckdb

from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql
from gpuledger.core.store.shared import lake, machines
from gpuledger.flows.ledger import AuditFinding, LedgerWriter, RunReport

LOG = logging.getLogger("gpuledger")


def say_of(ledger: LedgerWriter, runs: Iterable[RunReport]) -> None:
    """Tell the other machines what the runs of a refresh say about this one."""
    say(ledger, next((run.error for run in runs if run.is_of_machine), None))


def say(ledger: LedgerWriter, problem: str | None) -> None:
    """Tell the other machines that this one lives, and what is wrong with it; where the catalogue does not answer, that
    is nobody's loss."""
    if ledger.home.lake is None:
        return
    try:
        machines.report(
            ledger.home.lake, ledger.home.path, release=sql.files("migrations")[-1], problem=problem
        )
    except StoreError as error:
        LOG.info("the other machines were not told: %s", error)


def findings(ledger: LedgerWriter, connection: duckdb.DuckDBPyConnection) -> list[AuditFinding]:
    """Machines in trouble, and files that the shared store lacks.

    Args:
        connection: any of this release, for the columns of its tables.
    """
    address = ledger.home.lake
    if address is None:
        return []
    try:
        ledger.home.check_store()
        with lake.open_lake(address, connection) as there:
            missing = lake.missing_files(address, there)
        reports, now = machines.reports_of_machines(address)
    except StoreError as error:
        return [AuditFinding(kind="lake", name="shared store", state="broken", detail=str(error))]
    findings_here = [AuditFinding(kind="lake", name=file, state="broken", detail=_GONE) for file in missing]
    for machine in reports:
        silent = now - machine.said_at
        if machine.problem is not None:
            findings_here.append(
                AuditFinding(kind="machine", name=machine.name, state="broken", detail=machine.problem)
            )
        elif silent > machines.SILENT:
            detail = f"nothing was heard of it for {silent.total_seconds() / 3600:.0f} h"
            findings_here.append(
                AuditFinding(kind="machine", name=machine.name, state="stale", detail=detail)
            )
    return findings_here


_GONE = (
    "the catalogue names it and the shared folder lacks it: a machine wrote while its share was not mounted; bring the"
    " file, or `gpuledger replay` writes the store anew from the archive"
)

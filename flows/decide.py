"""Accept or reject what is disputed: recorded like any run, so that it reaches a replay and every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import UsageError
from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.decision import OPERATOR, Decision, Dispute, answers_behind, disputes
from gpuledger.flows.ledger import CycleReport, LedgerWriter, operator_answer
from gpuledger.flows.pipeline import open_ledger, read_run, record_runs


@dataclass(frozen=True, kw_only=True)
class DecisionReport:
    """What a decision did."""

    disputes: tuple[Dispute, ...]
    cycle: CycleReport


def decide(
    ledger: LedgerWriter, verdict: Literal["accept", "reject"], target: str, *, reason: str, decided_by: str
) -> DecisionReport:
    """Accept or reject the open disputes of an offer or of a source, and publish. What is accepted holds from when it
    was first seen; what is rejected does not count however long it is claimed. Both lapse with the next other claim.

    Args:
        target: a source, an offer's id or at least six digits of one, or `source:offer_id`.
        decided_by: who decides.

    Raises:
        UsageError: no reason, or nothing of that target is disputed.
    """
    if not reason.strip():
        raise UsageError("--reason is empty; say why, for whoever reads the ledger later")
    with turn(ledger.home), writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        open_disputes = disputes(connection, target)
        if not open_disputes:
            raise UsageError(f"nothing of {target!r} is disputed; `gpuledger disputes` lists what is")
        manifests = [
            _archived(
                ledger,
                Decision(
                    verdict=verdict,
                    source=source,
                    offer_ids=tuple(dispute.offer_id for dispute in of_source),
                    reason=reason.strip(),
                    decided_by=decided_by,
                ),
                answers_behind(connection, of_source),
            )
            for source, of_source in _by_source(open_disputes).items()
        ]
    runs = [run for manifest in manifests if (run := read_run(ledger, manifest)) is not None]
    return DecisionReport(disputes=tuple(open_disputes), cycle=record_runs(ledger, runs))


def _by_source(open_disputes: Sequence[Dispute]) -> dict[str, list[Dispute]]:
    sources: dict[str, list[Dispute]] = {}
    for dispute in open_disputes:
        sources.setdefault(dispute.source, []).append(dispute)
    return sources


def _archived(ledger: LedgerWriter, decision: Decision, answers: Sequence[dict[str, object]]) -> Manifest:
    archive = ledger.archive
    now = ledger.clock()
    while archive.has_run(run_id(OPERATOR, now)):
        now += timedelta(microseconds=1)
    document = Document(
        source=OPERATOR,
        request=Request(url=f"gpuledger:{decision.verdict}/{decision.source}"),
        body=operator_answer(decision),
        fetched_at=now,
        content_type="application/json",
    )
    manifest = Manifest(
        run_id=run_id(OPERATOR, now),
        source=OPERATOR,
        started_at=now,
        observed_at=now,
        documents=(archive.put(document), *answers),
    )
    archive.write_manifest(manifest)
    return manifest

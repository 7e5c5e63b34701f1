# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
"""What an operator decides about disputed prices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import duckdb
import pyarrow as pa

from gpuledger.core.store import sql

OPERATOR = "operator"
"""Name under which decisions are in the archive and among the runs."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An operator's word about disputes of one source."""

    verdict: Literal["accept", "reject"]
    source: str
    offer_ids: tuple[str, ...]
    reason: str
    decided_by: str


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """One dispute that waits, as people are shown it."""

    source: str
    offer_id: str
    state: str
    claim: str
    since_at: datetime
    believed_seen_at: datetime | None
    usd_per_gpu_hour: Any
    believed_usd_per_gpu_hour: Any
    is_left_to_operator: bool
    evidence: str
    document_sha256: str | None


def disputes(connection: duckdb.DuckDBPyConnection, target: str | None = None) -> list[Dispute]:
    """Disputes that wait, the oldest first.

    Args:
        target: a source, an offer's id or at least six digits of one, or `source:offer_id`; null: all.
    """
    return [Dispute(**row) for row in sql.rows(connection, "queries/disputes", {"target": target})]


def answers_behind(
    connection: duckdb.DuckDBPyConnection, disputed: Sequence[Dispute]
) -> list[dict[str, Any]]:
    """The archived answers that make the claims, as entries of a manifest, each once."""
    hashes = sorted({dispute.document_sha256 for dispute in disputed if dispute.document_sha256})
    rows = sql.rows(connection, "queries/documents_by_hash", {"hashes": hashes})
    return [
        {
            **row,
            "payload": None,
            "context": json.loads(row["context"]),
            "etag": "",
            "last_modified": "",
            "fetched_at": row["fetched_at"].astimezone(UTC).isoformat(),
        }
        for row in rows
    ]


def settle(
    connection: duckdb.DuckDBPyConnection, decision: Decision, parameters: Mapping[str, Any]
) -> pa.Table:
    """Note a decision about the disputes that are open; returns the claims that count from now on, as a batch whose
    prices hold from when they were first seen. Leaves `ruling` for `record/10_difference`, which leaves all other
    offers of the source as they are. Only inside a transaction.

    Args:
        parameters: run_no and observed_at.
    """
    named = {
        **parameters,
        "source": decision.source,
        "offer_ids": list(decision.offer_ids),
        "state": f"{decision.verdict}ed",
        "decided_by": decision.decided_by,
        "reason": decision.reason,
    }
    sql.run_named(connection, "evidence/decision/10_decided", named)
    sql.run_named(connection, "evidence/decision/20_ruling", named)
    seen = sql.arrow_named(connection, "evidence/decision/30_seen", named)
    sql.run_named(connection, "evidence/decision/40_dispute", named)
    return seen

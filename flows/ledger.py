"""What every step of the program needs, and what it says in the end: a ledger, the operator as one of
its sources, the report of a run and of a cycle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gpuledger.core.alias import Alias, read_aliases, seed_rows
from gpuledger.core.contract import Contract
from gpuledger.core.document import Document
from gpuledger.core.store.archive import Archive
from gpuledger.core.store.database import Home
from gpuledger.core.store.decision import OPERATOR, Decision
from gpuledger.scrapers.source import Source

# The operator as a source: decisions about disputed prices are in the archive beside the answers, so that
# a replay takes them in their place.

OPERATOR_SOURCE = Source(
    name=OPERATOR,
    homepage="",
    every=timedelta(0),
    requests=(),
    parse=lambda document: iter(()),
    contract=Contract(min_offers=0),
)


def operator_answer(decision: Decision) -> bytes:
    """The decision as it is archived."""
    return json.dumps(
        {**vars(decision), "offer_ids": list(decision.offer_ids)}, indent=1, sort_keys=True
    ).encode()


def decision_in(document: Document) -> Decision:
    """The decision of an archived document.

    Raises:
        ParseError: it is none.
    """
    content = document.json()
    try:
        keys: dict[str, Any] = {**content, "offer_ids": tuple(content["offer_ids"])}
        return Decision(**keys)
    except (TypeError, KeyError) as error:
        raise document.error(f"not a decision: {error!r}") from error


USER_ALIASES = "gpu_alias.csv"


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What one refresh of one source did."""

    source: str
    run_id: str
    outcome: str
    """accepted, quarantined, failed, skipped (no key, or being read by another), fetched (and left to a machine of a
    newer release to record) or checked (dry run)."""
    offers: int = 0
    changes: int = 0
    new_offers: int = 0
    withdrawn: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    error: str | None = None
    url: str | None = None
    notes: tuple[str, ...] = ()
    moves: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    disputed: int = 0
    """Prices and absences that the ledger contradicts: kept, and not believed yet."""
    confirmed: int = 0
    evidence: tuple[str, ...] = ()
    """Some of what is disputed, one line each."""
    is_settled: bool = False
    """An accepted run that changed nothing and leaves nothing open."""
    is_of_machine: bool = False
    """It failed for something that is wrong with this machine, whatever the source."""
    was_recorded: bool = False
    """Another process had recorded it already, and told of it."""

    @property
    def state(self) -> str:
        """`outcome`, and whether an accepted run has disputed rows."""
        return "accepted with disputed rows" if self.outcome == "accepted" and self.disputed else self.outcome


@dataclass(frozen=True, kw_only=True)
class CycleReport:
    """What one refresh of several sources did."""

    runs: tuple[RunReport, ...]
    snapshot: int | None


@dataclass(frozen=True, kw_only=True)
class LedgerWriter:
    """What every step needs: where, which sources, and what time it is."""

    home: Home
    sources: tuple[Source, ...]
    clock: Callable[[], datetime]

    @property
    def archive(self) -> Archive:
        return Archive(self.home.archive)

    def source(self, name: str) -> Source | None:
        sources = (*self.sources, OPERATOR_SOURCE)
        return next((source for source in sources if source.name == name), None)

    def alias_rows(self) -> tuple[Alias, ...]:
        """The operator's own aliases go before the shipped ones."""
        own = self.home.path / USER_ALIASES
        return (*(read_aliases(own) if own.exists() else ()), *seed_rows())


@dataclass(frozen=True, kw_only=True)
class AuditFinding:
    """One thing that was looked at."""

    kind: str
    """source, check, run, archive, machine (of a shared store) or lake (a file of it)."""
    name: str
    state: str
    """ok, stale (past its target, or never accepted), not configured (it needs a key that is not there), or broken."""
    detail: str = ""

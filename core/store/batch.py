# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false
"""What one run ended with, as it is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa

from gpuledger.core.offer import Skipped
from gpuledger.core.store.archive import FetchFailure, Manifest
from gpuledger.core.store.decision import Decision
from gpuledger.core.store.evidence import Weighing
from gpuledger.core.store.staging import Located, SideFact


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """What one document of an archive is: how far its silence and its rows may be trusted (docs/validity.md)."""

    kind: Literal["snapshots", "changes", "rows"]
    """`snapshots`: all that was on sale at a time; `changes`: a price holds until the next row; `rows`: dated
    observations, each by itself."""
    covers_from: datetime | None = None
    """`None`: from the first row."""
    covers_until: datetime | None = None
    """`None`: to the last row."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one run ended with: a believable batch, or why there is none."""

    manifest: Manifest
    kind: Literal["live", "archive"]
    parser_version: int
    offers: Sequence[Located] = ()
    """`document_no` counts the manifest's documents from 0."""
    table: pa.Table | None = None
    """Of an archive, in the place of offers: rows as `gpuledger.core.store.staging.located` makes them."""
    side_facts: Sequence[SideFact] = ()
    lists: Sequence[PriceList] = ()
    """Of an archive, one per document of the manifest."""
    skipped: Sequence[Skipped] = ()
    offer_count: int = 0
    outcome: Literal["accepted", "quarantined", "failed"] = "accepted"
    weighing: Weighing | None = None
    """How its claims are weighed against what the ledger knows; without it every row of a believable batch counts."""
    held: Sequence[str] = ()
    """Of a run that is not weighed: identities whose claims were ruled not to count."""
    decision: Decision | None = None
    """What an operator decided, in the place of offers."""
    error: FetchFailure | None = None

"""What the documents of one run say, before it is held against anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpuledger.core.errors import SourceError
from gpuledger.core.offer import Skipped
from gpuledger.core.store.archive import Manifest
from gpuledger.core.store.record import PriceList
from gpuledger.core.store.staging import Located, SideFact
from gpuledger.scrapers.source import Source


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What the documents of one run say, or how reading them ended."""

    manifest: Manifest
    source: Source
    offers: Sequence[Located] = ()
    side_facts: Sequence[SideFact] = ()
    lists: Sequence[PriceList] = ()
    """Of a dated list, what each document is."""
    skipped: Sequence[Skipped] = ()
    error: SourceError | None = None

"""Rows of stock as lines of spans, in hours up to now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gpuledger.core.availability.chance import Span, joined_spans


def lines_of(rows: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, list[Span]]:
    """The line of each offer, of rows with `offer_id begun ended is_there`; hours before now are negative."""
    spans: dict[str, list[Span]] = {}
    for row in rows:
        begun, ended = ((row[name] - now).total_seconds() / 3600 for name in ("begun", "ended"))
        spans.setdefault(str(row["offer_id"]), []).append(Span(begun, ended, bool(row["is_there"])))
    return {offer: line for offer, offer_spans in spans.items() if (line := joined_spans(offer_spans))}

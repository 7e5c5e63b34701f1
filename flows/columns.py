# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
"""Dated lists of our own making, read as columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gpuledger.core.document import Document
from gpuledger.core.offer import Skipped
from gpuledger.core.store.staging import located, observed_until
from gpuledger.core.validity import AHEAD, LATEST_AHEAD
from gpuledger.scrapers.source import Source


def read_columns(source: Source, documents: Sequence[Document], now: datetime) -> tuple[Any, list[Skipped]]:
    """The rows of all documents as one Arrow table, and what nobody can have seen yet.

    Raises:
        ParseError: a document has another form.
    """
    assert source.parse_table is not None, source.name
    parts = [source.parse_table(document) for document in documents]
    table, early = observed_until(located(parts), now + LATEST_AHEAD)
    return table, [Skipped(AHEAD, None)] * early

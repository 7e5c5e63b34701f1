# pyarrow ships no types of its own.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
"""Dated lists: what each is, and those of our own making read as columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from gpuledger.core.document import Document
from gpuledger.core.offer import Skipped
from gpuledger.core.store.batch import PriceList
from gpuledger.core.store.offer_columns import validated
from gpuledger.core.store.staging import located, seen_by
from gpuledger.scrapers.source import Source


def read_columns(source: Source, documents: Sequence[Document], now: datetime) -> tuple[Any, list[Skipped]]:
    """The rows of all documents as one Arrow table, each as the model of an offer allows it, and what was left out.

    Raises:
        ParseError: a document has another form.
    """
    assert source.parse_table is not None, source.name
    parts: list[Any] = []
    skipped: list[Skipped] = []
    for document in documents:
        table = source.parse_table(document)
        try:
            rows, refused = validated(table)
        except pa.ArrowException as error:
            raise document.error(f"no readable table: {str(error).splitlines()[0]}") from error
        parts.append(rows)
        skipped += [Skipped(row.reason, {"row": row.position, **row.row}) for row in refused]
    table, reasons = seen_by(located(parts), now)
    return table, [*skipped, *(Skipped(reason, None) for reason in reasons)]


def price_list(source: Source, document: Document) -> PriceList:
    """What a document of a dated list is, and what it covers by the word of whoever imported it.

    Raises:
        ParseError: the span cannot be read.
    """
    context = document.context
    kind = context.get("list") or source.list_kind(document)
    if "covers" not in context:
        return PriceList(kind=_kind(document, kind))
    first, _, last = context["covers"].partition("..")
    try:
        start, stop = datetime.fromisoformat(first), datetime.fromisoformat(last)
    except ValueError:
        raise document.error(f"covers {context['covers']!r}, which is no span FROM..UNTIL") from None
    # what will hold tomorrow nobody has seen
    until = min(stop if stop.tzinfo else stop.replace(tzinfo=UTC), document.fetched_at)
    return PriceList(
        kind="changes" if kind == "rows" else _kind(document, kind),
        covers_from=min(start if start.tzinfo else start.replace(tzinfo=UTC), until),
        covers_until=until,
    )


def _kind(document: Document, kind: str) -> Literal["snapshots", "changes", "rows"]:
    if kind == "snapshots" or kind == "changes" or kind == "rows":
        return kind
    raise document.error(f"is said to be a list of {kind!r}, which is none of snapshots, changes, rows")

"""A bill that is JSON: its records as rows of text, whatever envelope they are in."""

from __future__ import annotations

import json
from typing import Any, cast

from gpuledger.core.errors import UsageError

ENVELOPES = ("records", "data", "items", "invoices", "results", "rows", "billing")


def parse(document: bytes, origin: str) -> list[dict[str, str | None]]:
    """The records of a JSON document: a list, an object that holds one, or one object a line. Values that are no text
    become their JSON.

    Raises:
        UsageError: not JSON, or no records in it; says where it stops.
    """
    try:
        text = document.decode("utf-8-sig")
        try:
            loaded: Any = json.loads(text)
        except ValueError:
            loaded = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{origin}: not JSON: {error}") from error
    if isinstance(loaded, dict):
        envelope = cast("dict[str, Any]", loaded)
        inside = [envelope[name] for name in ENVELOPES if isinstance(envelope.get(name), list)]
        loaded = cast("Any", inside[0] if inside else [envelope])
    if not isinstance(loaded, list) or not all(isinstance(row, dict) for row in cast("list[Any]", loaded)):
        raise UsageError(f"{origin}: no list of records in it; it may be one of {', '.join(ENVELOPES)}")
    return [
        {name: _text(value) for name, value in row.items()} for row in cast("list[dict[str, Any]]", loaded)
    ]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value)

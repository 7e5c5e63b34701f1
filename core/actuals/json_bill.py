"""A bill that is JSON: its records as rows of text, whatever envelope they are in."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
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
        if document.startswith(b"\x1f\x8b"):
            document = gzip.decompress(document)
        text = document.decode("utf-8-sig")
        try:
            loaded: Any = json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError:
            loaded = list(_records(text))
    except (UnicodeDecodeError, ValueError, RecursionError, EOFError, OSError, zlib.error) as error:
        raise UsageError(f"{origin}: not JSON: {error}") from error
    if isinstance(loaded, dict):
        envelope = cast("dict[str, Any]", loaded)
        inside = [envelope[name] for name in ENVELOPES if isinstance(envelope.get(name), list)]
        loaded = cast("Any", inside[0] if inside else [envelope])
    if not isinstance(loaded, list) or not all(isinstance(row, dict) for row in cast("list[Any]", loaded)):
        raise UsageError(f"{origin}: no list of records in it; it may be one of {', '.join(ENVELOPES)}")
    if not loaded:
        raise UsageError(f"{origin}: has no records")
    return [
        {name: _text(value) for name, value in row.items()} for row in cast("list[dict[str, Any]]", loaded)
    ]


def _records(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield json.loads(line, object_pairs_hook=_object)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}, {error.msg} at letter {error.colno}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is twice in one record")
    return row


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value)

"""Captures: recorded bytes with a sidecar that says where they are from, and what an adapter makes of them.

`NAME.<ext>` holds the bytes, `NAME.<ext>.toml` beside it the provenance: `url`, `fetched_at`, and where they
matter `method`, `content_type`, `status` and a table `[context]`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from gpuledger.core.alias import Aliases
from gpuledger.core.document import Document, Request
from gpuledger.core.offer import Fact, Offer, Skipped
from gpuledger.core.published import published_row
from gpuledger.scrapers.source import Source, skipped_by_reason

SIDECAR = ".toml"


def captures(folder: Path) -> Iterator[Path]:
    """The recorded bodies of a folder, sorted; sidecars and notes left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.with_name(path.name + SIDECAR).exists():
            yield path


def read_capture(source: str, path: Path) -> Document:
    """The document of a capture, with the provenance of its sidecar."""
    with path.with_name(path.name + SIDECAR).open("rb") as file:
        sidecar = tomllib.load(file)
    fetched_at = sidecar["fetched_at"]
    if not isinstance(fetched_at, datetime):
        raise ValueError(f"{path}: fetched_at must be a date and time with its offset")
    request = Request(
        url=sidecar["url"], method=sidecar.get("method", "GET"), context=sidecar.get("context", {})
    )
    return Document(
        source=source,
        request=request,
        body=path.read_bytes(),
        fetched_at=fetched_at.astimezone(UTC),
        status=sidecar.get("status", 200),
        content_type=sidecar.get("content_type", ""),
    )


def golden_lines(source: Source, document: Document, aliases: Aliases) -> list[str]:
    """What the adapter yields, one JSON object a line: offers, other facts, skips by reason."""
    facts = list(source.parse(document))
    lines = [_line(source.name, fact, document, aliases) for fact in facts if not isinstance(fact, Skipped)]
    return [*lines, json.dumps({"skipped": skipped_by_reason(facts)})]


def _line(source: str, fact: Fact, document: Document, aliases: Aliases) -> str:
    if isinstance(fact, Offer):
        gpu_id = aliases.resolve(fact.provider, fact.gpu_label, fact.gpu_memory_gib)
        row = published_row(source, fact, gpu_id=gpu_id, observed_at=document.fetched_at, usd_per_unit={})
        return json.dumps(row)
    assert not isinstance(fact, Skipped)
    return json.dumps({type(fact).__name__: fact.model_dump(mode="json")}, default=_text)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"cannot write {type(value).__name__}")

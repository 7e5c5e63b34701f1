"""Sources as people look at them: how fresh, how they are read, and what went wrong last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from gpuledger.scrapers.source import Source


@lru_cache(maxsize=1)
def _registry() -> dict[str, Source]:
    from gpuledger.scrapers.registry import SOURCES

    return {source.name: source for source in SOURCES}


def source_rows(status: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of sql/queries/status.sql with what the registry says of each source; trouble first."""
    rows = [dict(row) | _declared(str(row["source"])) for row in status]
    return sorted(rows, key=lambda row: (_calm(row), row["source"]))


def _calm(row: Mapping[str, Any]) -> int:
    """What is out of date comes first, then what failed, then what works, last what nobody asked."""
    if row["is_stale"]:
        return 0
    if row["last_outcome"] not in (None, "accepted"):
        return 1
    return 3 if row["state"] == "not configured" else 2


def _declared(name: str) -> dict[str, Any]:
    source = _registry().get(name)
    if source is None:
        return {"covers": "", "homepage": "", "keys": ""}
    keys = {c.variable for request in source.requests if (c := request.credential)}
    keys |= {c.variable for c in source.credentials}
    return {"covers": source.covers, "homepage": source.homepage, "keys": ", ".join(sorted(keys))}

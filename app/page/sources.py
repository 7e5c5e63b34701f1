"""Sources as people look at them: how fresh, how they are read, and what went wrong last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from scrapers.source import Source


@lru_cache(maxsize=1)
def _registry() -> dict[str, Source]:
    from scrapers.registry import SOURCES

    return {source.name: source for source in SOURCES}


def source_rows(status: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of sql/queries/status.sql with what the registry says of each source; trouble first."""
    rows = [dict(row) | _declared(str(row["source"])) for row in status]
    order = {"stale": 0, "fresh": 1, "never": 2}
    return sorted(rows, key=lambda row: (order.get(row["state"], 3), row["source"]))


def _declared(name: str) -> dict[str, Any]:
    source = _registry().get(name)
    if source is None:
        return {"covers": "", "homepage": "", "keys": ""}
    keys = {c.variable for request in source.requests if (c := request.credential)}
    keys |= {c.variable for c in source.credentials}
    return {"covers": source.covers, "homepage": source.homepage, "keys": ", ".join(sorted(keys))}

"""What the views show beside their answers: saved questions, and the sources as people look at them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gpuledger.core.store import sql
from gpuledger.scrapers.source import Source

# Saved questions: `sql/queries/question_*.sql`.

PREFIX = "queries/question_"
_HEAD = re.compile(r"^-- grain: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class SavedQuestion:
    """A query that somebody wrote down, with its `$parameters`."""

    name: str
    asks: str
    text: str


@lru_cache(maxsize=1)
def saved() -> tuple[SavedQuestion, ...]:
    """All of them, by name; their `$parameters` are fields of the page."""
    return tuple(_question(name) for name in sql.files("queries") if name.startswith(PREFIX))


def _question(name: str) -> SavedQuestion:
    text = sql.text(name).strip()
    head = _HEAD.search(text)
    return SavedQuestion(
        name.removeprefix(PREFIX),
        "" if head is None else head[1].removeprefix("one row ").removeprefix(", "),
        text,
    )


# Sources as people look at them: how fresh, how they are read, and what went wrong last.


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

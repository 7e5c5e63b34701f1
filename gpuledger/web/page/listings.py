"""What the views show beside their answers: choices of the filters, saved questions, and the sources."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gpuledger.core.store import sql
from gpuledger.ledger import Ledger
from gpuledger.scrapers.source import Source


class Facets:
    """Accelerators, providers and places of the last snapshot asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = -1
        self._choices: dict[str, Any] = {}

    def of_snapshot(self, ledger: Ledger) -> dict[str, Any]:
        """Names to choose from in this snapshot."""
        number = ledger.edition.number
        with self._lock:
            if self._number == number:
                return self._choices
        gpus = [row for row in ledger.gpus() if row["offers"]]
        regions = ledger.regions()
        choices = {
            "gpus": gpus,
            "providers": [row["provider"] for row in ledger.providers()],
            "continents": sorted({word for row in regions for word in (row["continent"] or "").split()}),
            "countries": sorted({row["country"] for row in regions if row["country"]}),
        }
        with self._lock:
            self._number, self._choices = number, choices
        return choices


# Saved questions: `sql/queries/question_*.sql`, with values filled in so that they run as they stand.

PREFIX = "queries/question_"
EXAMPLES = {
    "gpu_id": "'h100-sxm-80gb'",
    "as_of": "(now() - interval 30 days)",
    "since": "(now() - interval 30 days)",
    "until": "now()",
    "month": "date_trunc('month', now())",
    "max_rows": "50",
    "price_id": "(select min(price_id) from offer_latest)",
}
"""What stands for a parameter until somebody edits it."""

_HEAD = re.compile(r"^-- grain: (.+)$", re.MULTILINE)
_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class SavedQuestion:
    """A query that somebody wrote down."""

    name: str
    asks: str
    text: str


@lru_cache(maxsize=1)
def saved() -> tuple[SavedQuestion, ...]:
    """All of them, by name.

    Raises:
        KeyError: a question has a parameter without an example.
    """
    return tuple(_question(name) for name in sql.files("queries") if name.startswith(PREFIX))


def _question(name: str) -> SavedQuestion:
    text = sql.text(name).strip()
    head = _HEAD.search(text)
    return SavedQuestion(
        name.removeprefix(PREFIX),
        "" if head is None else head[1].removeprefix("one row ").removeprefix(", "),
        _PARAMETER.sub(lambda result: EXAMPLES[result[1]], text),
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

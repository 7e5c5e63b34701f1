"""Saved questions: queries of `sql/` that need no parameters, with the sentence that each answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from core.store import sql

_HEAD = re.compile(r"^-- (?:question|grain): (.+)$", re.MULTILINE)
# parameters, variables and views that only a quote makes
_NEEDS_MORE = re.compile(r"\$[a-z_]+|getvariable\(|quote_offer")


@dataclass(frozen=True)
class Question:
    """A query that somebody wrote down."""

    name: str
    asks: str
    text: str


@lru_cache(maxsize=1)
def saved() -> tuple[Question, ...]:
    """All of them, by name."""
    found: list[Question] = []
    for name in sql.files("queries"):
        text = sql.text(name)
        head = _HEAD.search(text)
        if head and not _NEEDS_MORE.search(text):
            found.append(Question(name.removeprefix("queries/"), head[1], text.strip()))
    return tuple(found)

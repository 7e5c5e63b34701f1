"""Saved questions: `sql/queries/question_*.sql`, with values filled in so that they run as they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from gpuledger.core.store import sql

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
class Question:
    """A query that somebody wrote down."""

    name: str
    asks: str
    text: str


@lru_cache(maxsize=1)
def saved() -> tuple[Question, ...]:
    """All of them, by name.

    Raises:
        KeyError: a question has a parameter without an example.
    """
    return tuple(_question(name) for name in sql.files("queries") if name.startswith(PREFIX))


def _question(name: str) -> Question:
    text = sql.text(name).strip()
    head = _HEAD.search(text)
    return Question(
        name.removeprefix(PREFIX),
        "" if head is None else head[1].removeprefix("one row ").removeprefix(", "),
        _PARAMETER.sub(lambda result: EXAMPLES[result[1]], text),
    )

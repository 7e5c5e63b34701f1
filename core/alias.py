"""From a provider's words for an accelerator to our `gpu_id`, by the tables `sql/seeds/gpu_alias*.csv`.

Labels are stored verbatim with each offer and resolved when the ledger is written or its seeds change, so an
alias that is added later repairs history as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from gpuledger.core import seeds

MEMORY_TOLERANCE = Decimal("0.08")
"""Providers mix GB and GiB (7.4 % apart) and usable with physical memory."""

_NOISE = frozenset({"nvidia", "amd", "google", "aws", "geforce", "tesla", "instinct", "gpu", "accelerator"})
_JOINED_UNIT = re.compile(r"(\d)\s+(gb|gib)\b")
_SEPARATOR = re.compile(r"[^a-z0-9.+]+")


def normalised(label: str) -> str:
    """Lower case, one space between words, vendor and family words left out: `NVIDIA H100 (80 GB SXM5)`
    becomes `h100 80gb sxm5`."""
    words = _SEPARATOR.sub(" ", label.casefold()).strip()
    words = _JOINED_UNIT.sub(r"\1gb", words)
    kept = [word for word in words.split() if word not in _NOISE]
    return " ".join(kept) if kept else words


@dataclass(frozen=True)
class Alias:
    """One row of the table; an empty `provider` holds for all, a missing memory for any."""

    provider: str
    label: str
    memory_gib: Decimal | None
    gpu_id: str


class Aliases:
    """The table, ready for lookups."""

    def __init__(self, rows: Iterable[Alias]) -> None:
        self._rows: dict[tuple[str, str], list[Alias]] = {}
        for row in rows:
            self._rows.setdefault((row.provider, normalised(row.label)), []).append(row)

    def resolve(self, provider: str, label: str, memory_gib: Decimal | None) -> str | None:
        """The `gpu_id`, or `None` when nobody has said what this label is.

        The provider's own rows go before general ones, and among either, those that name a memory.
        """
        key = normalised(label)
        for rows in (self._rows.get((provider, key), ()), self._rows.get(("", key), ())):
            gpu_id = _of_memory(rows, memory_gib)
            if gpu_id is not None:
                return gpu_id
        return None


def _of_memory(rows: Iterable[Alias], memory_gib: Decimal | None) -> str | None:
    for row in rows:
        if row.memory_gib and memory_gib and abs(memory_gib / row.memory_gib - 1) <= MEMORY_TOLERANCE:
            return row.gpu_id
    return next((row.gpu_id for row in rows if row.memory_gib is None), None)


def read_aliases(path: Path) -> list[Alias]:
    """Rows of a CSV with the columns provider, gpu_label, gpu_memory_gib, gpu_id."""
    return [_alias(row) for row in seeds.read_rows(path)]


def _alias(row: Mapping[str, str]) -> Alias:
    memory = row.get("gpu_memory_gib") or ""
    return Alias(row["provider"], row["gpu_label"], Decimal(memory) if memory else None, row["gpu_id"])


@lru_cache(maxsize=1)
def seed_rows() -> tuple[Alias, ...]:
    """The aliases that ship with the program, in the order of their files' names."""
    return tuple(_alias(row) for row in seeds.rows_of_all("gpu_alias"))


@lru_cache(maxsize=1)
def seed_aliases() -> Aliases:
    """The shipped aliases, ready for lookups."""
    return Aliases(seed_rows())

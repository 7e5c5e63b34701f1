"""The one reader of `sql/seeds`: reviewed tables as rows of text, and one version over all that an answer depends on.

A seed is a CSV file with a header, or TOML. Whoever needs one turns its rows into nouns and keeps those; here is no
meaning, only where the files are and what they say.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

SeedRow = Mapping[str, str]

FOLDER = Path(__file__).resolve().parents[1] / "sql" / "seeds"
"""Beside `core/` in a checkout and in a wheel alike."""
ANSWER_SEEDS = (
    "architecture",
    "calibration",
    "cost_assumption",
    "gpu",
    "interval",
    "model",
    "published_run",
    "stack",
    "stack_memory",
)
"""Every table that an estimate's hours or a quote's dollars depend on."""


def read_rows(path: Path) -> tuple[SeedRow, ...]:
    """The rows of a CSV file with a header, every value as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@lru_cache(maxsize=64)
def rows(name: str) -> tuple[SeedRow, ...]:
    """The rows of `sql/seeds/<name>.csv`."""
    return read_rows(FOLDER / f"{name}.csv")


@lru_cache(maxsize=16)
def rows_of_all(prefix: str) -> tuple[SeedRow, ...]:
    """The rows of every `sql/seeds/<prefix>*.csv`, in the order of the files' names."""
    return tuple(row for path in sorted(FOLDER.glob(f"{prefix}*.csv")) for row in read_rows(path))


def text(name: str) -> str:
    """The text of `sql/seeds/<name>`, extension included."""
    return (FOLDER / name).read_text(encoding="utf-8")


def table_checksum(table: str, values: Iterable[SeedRow]) -> str:
    """12 hex digits over the name and all values of one table, the names of its columns included."""
    import hashlib

    checksum = hashlib.blake2b(table.encode(), digest_size=6)
    for row in values:
        checksum.update(b"\1" + b"\0".join(f"{column}={value}".encode() for column, value in row.items()))
    return checksum.hexdigest()


@lru_cache(maxsize=1)
def constants_version() -> str:
    """12 hex digits over the values of all tables that an answer depends on; part of every receipt."""
    import hashlib

    parts = "".join(table_checksum(table, rows(table)) for table in ANSWER_SEEDS)
    return hashlib.blake2b(parts.encode(), digest_size=6).hexdigest()

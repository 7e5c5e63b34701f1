"""Constants that a quote falls back on where neither the plan nor the ledger says more: one reviewed
table."""

from __future__ import annotations

import csv
import hashlib
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

SEEDS = Path(__file__).resolve().parents[2] / "sql" / "seeds"
TABLES = ("cost_assumption.csv", "calibration.csv", "gpu.csv", "model.csv")
"""Every table of constants that a quote's dollars depend on."""


@lru_cache(maxsize=1)
def _values() -> dict[str, Decimal]:
    with (SEEDS / TABLES[0]).open(newline="", encoding="utf-8") as file:
        return {row["name"]: Decimal(row["value"]) for row in csv.DictReader(file)}


def assumed(name: str) -> Decimal:
    """The constant of that name in `sql/seeds/cost_assumption.csv`."""
    return _values()[name]


@lru_cache(maxsize=1)
def constants_version() -> str:
    """12 hex digits over the bytes of all tables of constants; part of every receipt."""
    digest = hashlib.blake2b(digest_size=6)
    for table in TABLES:
        content = (SEEDS / table).read_bytes()
        digest.update(f"{table}:{len(content)}:".encode() + content)
    return digest.hexdigest()

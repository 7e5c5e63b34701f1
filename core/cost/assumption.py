"""Constants that a quote falls back on where neither the plan nor the ledger says more: one reviewed
table."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from gpuledger.core import seeds


@lru_cache(maxsize=1)
def _values() -> dict[str, Decimal]:
    return {row["name"]: Decimal(row["value"]) for row in seeds.rows("cost_assumption")}


def assumed(name: str) -> Decimal:
    """The constant of that name in `sql/seeds/cost_assumption.csv`."""
    return _values()[name]

"""How often prices still held at an age, by the ledger's own history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import duckdb

from gpuledger.core.store import sql

Case = tuple[str, str, float]
"""Provider, purchase option, age in hours."""


def survival(
    connection: duckdb.DuckDBPyConnection, cases: Iterable[Case], *, as_of: datetime | None = None
) -> dict[Case, str]:
    """Of each case one line on how many prices of that provider and purchase option still held at that age. Cases of
    which the ledger knows nothing are left out.

    Args:
        as_of: a past time, after which nothing counts.
    """
    lines = {f"{provider},{option},{hours!r}": (provider, option, hours) for provider, option, hours in cases}
    if not lines:
        return {}
    rows = sql.rows(connection, "queries/price_survival", {"cases": "\n".join(lines), "as_of": as_of})
    return {
        (row["provider"], row["purchase_option"], row["age_hours"]): (
            f"{row['held']} of {row['prices']} {row['purchase_option']} prices of {row['provider']} still held"
            " at that age"
        )
        for row in rows
    }

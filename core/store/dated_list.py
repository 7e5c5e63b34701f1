"""What is kept beside the rows of dated lists: how long each price held, by its list and by later ones."""

from __future__ import annotations

import duckdb

from gpuledger.core.store import sql


def relist(connection: duckdb.DuckDBPyConnection, source: str | None = None) -> None:
    """Say anew of all prices of a dated list how long they held; only inside a transaction.

    Args:
        source: whose rows; all lists without.
    """
    connection.execute(sql.text("derive/no_dated_price"), {"source": source})
    connection.execute(sql.text("derive/dated_price"), {"source": source})

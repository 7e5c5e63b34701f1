"""How fresh every source is, told honestly: one that never delivered is the stalest of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import duckdb

from gpuledger.core.store import sql
from gpuledger.scrapers.source import Source

NOT_CONFIGURED = "not configured"


def source_states(
    connection: duckdb.DuckDBPyConnection,
    sources: Iterable[Source],
    *,
    now: datetime,
    environ: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Rows of sql/queries/status.sql with `is_stale`. A source without an accepted run counts as stale, unless it
    can only be read with a key that the environment lacks: then its state is `not configured`.

    Args:
        sources: the registry; a source of the ledger that is not in it needs no key.
        environ: where keys are read from.
    """
    declared = {source.name: source for source in sources}
    rows = sql.rows(connection, "queries/status", {"now": now})
    for row in rows:
        source = declared.get(row["source"])
        if row["state"] == "never" and source is not None and lacks_key(source, environ):
            row["state"] = NOT_CONFIGURED
        row["is_stale"] = row["state"] in ("stale", "never")
    return rows


def lacks_key(source: Source, environ: Mapping[str, str]) -> bool:
    """Whether every request of the source asks for a key that is not there."""
    return bool(source.requests) and all(
        request.credential is not None and not environ.get(request.credential.variable)
        for request in source.requests
    )


def imported_lists(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """What was imported, and the list that ships with the program: rows of sql/queries/price_lists.sql."""
    return sql.rows(connection, "queries/price_lists")

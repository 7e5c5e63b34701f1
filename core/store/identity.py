"""Offers under the ids of this release: a ledger of an earlier one keeps its history under new ids."""

from __future__ import annotations

import duckdb

from gpuledger.core.offer import TERMS, identity
from gpuledger.core.store import sql

IDENTITY = "2"
"""Version of the rule that gives offers their ids, `gpuledger.core.offer.identity`."""


def renew_ids(connection: duckdb.DuckDBPyConnection) -> int:
    """Give every offer the id that its terms have in this release, note the former one, and join offers of one source
    that differed in case or in invisible characters alone; only inside a transaction. Returns how many changed."""
    count = _note_former_ids(connection, "offer")
    if count:
        connection.execute(sql.text("identity/renew"))
        connection.execute(sql.text("identity/doubled"))
        if _has_rows(connection, "joined_offer"):
            connection.execute(sql.text("identity/join"))
    return count


def renew_arriving(connection: duckdb.DuckDBPyConnection) -> None:
    """The same for what machines of an earlier release appended to a shared log: rows of temporary tables
    `shared_offer` and so on, as `gpuledger.core.store.shared.follow` stages them."""
    _note_former_ids(connection, "shared_offer")
    if _has_rows(connection, "former_offer_id"):
        connection.execute(sql.text("identity/renew_arriving"))


def _note_former_ids(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.execute(f"select distinct offer_id, {', '.join(TERMS)} from {table}").fetchall()
    changed = [(former, new) for former, *terms in rows if (new := identity(*terms)) != former]
    if changed:
        ids = {"former": [former for former, _ in changed], "new": [new for _, new in changed]}
        connection.execute(sql.text("identity/note_former"), ids)
    return len(changed)


def _has_rows(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return sql.first(connection, f"select 1 from {table} limit 1") is not None

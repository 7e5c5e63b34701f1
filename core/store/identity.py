"""Offers under the ids of this release: a ledger of an earlier one keeps its history under new ids."""

from __future__ import annotations

import duckdb

from gpuledger.core.offer import TERMS, identity
from gpuledger.core.provider_name import named_provider
from gpuledger.core.store import sql
from gpuledger.core.store.rollups import relist

IDENTITY = "4"
"""Version of the rules that give offers their ids, `gpuledger.core.offer.identity` and
`gpuledger.core.provider_name.named_provider`."""


def renew_ids(connection: duckdb.DuckDBPyConnection) -> int:
    """Give every offer the id that its terms have in this release, note the former one, and join offers of one source
    that differed in case or in invisible characters alone; only inside a transaction. Returns how many changed."""
    _name_providers(connection, "offer", "price_list")
    count = _note_former_ids(connection, "offer")
    if count:
        connection.execute(sql.text("identity/renew"))
        connection.execute(sql.text("identity/doubled"))
        if _has_rows(connection, "joined_offer"):
            connection.execute(sql.text("identity/join"))
        relist(connection)
    return count


def renew_arriving(connection: duckdb.DuckDBPyConnection) -> None:
    """The same for what machines of an earlier release appended to a shared log: rows of temporary tables
    `shared_offer` and so on, as `gpuledger.core.store.shared.follow` stages them."""
    _name_providers(connection, "shared_offer", "shared_price_list")
    _note_former_ids(connection, "shared_offer")
    if _has_rows(connection, "former_offer_id"):
        connection.execute(sql.text("identity/renew_arriving"))


def _name_providers(connection: duckdb.DuckDBPyConnection, offers: str, lists: str) -> None:
    """Providers that a list called by more than their name: the cloud, and the tier or way to buy that it said."""
    listed = connection.execute(
        f"select provider from {offers} union select provider from {lists}"
    ).fetchall()
    meant = [
        (provider, named)
        for (provider,) in listed
        if (named := named_provider(provider)).provider != provider
    ]
    if meant:
        names = {
            "former": [former for former, _ in meant],
            "provider": [named.provider for _, named in meant],
            "tier": [named.tier for _, named in meant],
            "purchase_option": [named.purchase_option for _, named in meant],
        }
        connection.execute(sql.text("identity/named_provider"), names)
        connection.execute(sql.text("identity/names_option"))
        connection.execute(
            sql.text("identity/name_providers" if offers == "offer" else "identity/name_arriving")
        )


def _note_former_ids(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.execute(f"select distinct offer_id, {', '.join(TERMS)} from {table}").fetchall()
    changed = [(former, new) for former, *terms in rows if (new := identity(*terms)) != former]
    if changed:
        ids = {"former": [former for former, _ in changed], "new": [new for _, new in changed]}
        connection.execute(sql.text("identity/note_former"), ids)
    return len(changed)


def _has_rows(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return sql.first(connection, f"select 1 from {table} limit 1") is not None

"""Offers under the ids of this release: a ledger of an earlier one keeps its history under new ids."""

from __future__ import annotations

import duckdb

from gpuledger.core.offer import TERMS, identity
from gpuledger.core.provider import named_provider
from gpuledger.core.store import sql
from gpuledger.core.store.rollups import relist

IDENTITY = "3"
"""Version of the rules that give offers their ids, `gpuledger.core.offer.identity` and
`gpuledger.core.provider.named_provider`."""
_LOGS = ("price_change", "stock_change")


def renew_ids(connection: duckdb.DuckDBPyConnection) -> int:
    """Give every offer the id that its terms have in this release, note the former one, and join offers of one source
    that differed in case or in invisible characters alone; only inside a transaction. Returns how many changed."""
    _name_providers(connection, "offer", "price_list")
    count = _note_former_ids(connection, "offer")
    if count:
        for table in ("offer", "offer_current"):
            connection.execute(
                f"update {table} set offer_id = former.offer_id from former_offer_id as former"
                f" where {table}.offer_id = former.former_id"
            )
        _join_doubled(connection)
        relist(connection)
    return count


def renew_arriving(connection: duckdb.DuckDBPyConnection) -> None:
    """The same for what machines of an earlier release appended to a shared log: rows of temporary tables
    `shared_offer` and so on, as `gpuledger.core.store.shared.follow` stages them."""
    _name_providers(connection, "shared_offer", "shared_price_list")
    _note_former_ids(connection, "shared_offer")
    row = sql.first(connection, "select count(*) from former_offer_id")
    if row and row[0]:
        for table in ("offer", *_LOGS):
            connection.execute(
                f"update shared_{table} set offer_id = former.offer_id from former_offer_id as former"
                f" where shared_{table}.offer_id = former.former_id"
            )


def _name_providers(connection: duckdb.DuckDBPyConnection, offers: str, lists: str) -> None:
    """Providers that a list called by more than their name: the cloud, and the tier or way to buy that it said. What a
    list covers of the cloud is one span then."""
    listed = connection.execute(
        f"select provider from {offers} union select provider from {lists}"
    ).fetchall()
    meant = [
        (provider, named)
        for (provider,) in listed
        if (named := named_provider(provider)).provider != provider
    ]
    if not meant:
        return
    connection.execute(
        "create or replace temp table named_provider as select unnest($former::varchar[]) as former,"
        " unnest($provider::varchar[]) as provider, unnest($tier::varchar[]) as tier,"
        " unnest($option::varchar[]) as purchase_option",
        {
            "former": [former for former, _ in meant],
            "provider": [named.provider for _, named in meant],
            "tier": [named.tier for _, named in meant],
            "option": [named.purchase_option for _, named in meant],
        },
    )
    connection.execute(
        f"update {offers} set provider = named.provider, tier = coalesce({offers}.tier, named.tier),"
        f" purchase_option = if({offers}.purchase_option = 'on_demand' and named.purchase_option = 'spot',"
        f" 'spot', {offers}.purchase_option) from named_provider as named where {offers}.provider = named.former"
    )
    connection.execute(
        f"update {lists} set provider = named.provider from named_provider as named"
        f" where {lists}.provider = named.former"
    )
    connection.execute(
        f"create or replace temp table named_list as select * replace (min(covers_from) over one as covers_from,"
        f" max(covers_until) over one as covers_until, (sum(row_count) over one)::integer as row_count) from {lists}"
        " window one as (partition by run_no, document_place, provider)"
        " qualify row_number() over (partition by run_no, document_place, provider order by kind) = 1"
    )
    connection.execute(f"delete from {lists}")
    connection.execute(f"insert into {lists} by name from named_list")
    connection.execute("delete from derived")


def _note_former_ids(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.execute(f"select distinct offer_id, {', '.join(TERMS)} from {table}").fetchall()
    changed = [(former, new) for former, *terms in rows if (new := identity(*terms)) != former]
    if changed:
        connection.execute(
            "insert into former_offer_id select former_id, offer_id from ("
            " select unnest($former::varchar[]) as former_id, unnest($new::varchar[]) as offer_id) as noted"
            " where former_id not in (select former_id from former_offer_id)",
            {"former": [former for former, _ in changed], "new": [new for _, new in changed]},
        )
    return len(changed)


def _join_doubled(connection: duckdb.DuckDBPyConnection) -> None:
    """Two offers that are one now: the logs of the later one go on in the first; of two rows at one time the lower
    price stands."""
    connection.execute(
        "create or replace temp table joined_offer as"
        " select offer_no, min(offer_no) over (partition by source, offer_id) as first_no from offer"
        " qualify offer_no <> first_no"
    )
    row = sql.first(connection, "select count(*) from joined_offer")
    if not row or not row[0]:
        return
    # That one spelling went is no withdrawal of the offer.
    for table, is_absence in (
        ("price_change", "amount is null"),
        ("stock_change", "availability = 'unlisted'"),
    ):
        connection.execute(
            f"delete from {table} where {is_absence} and offer_no in (select offer_no from joined_offer)"
        )
        connection.execute(
            f"update {table} set offer_no = joined.first_no from joined_offer as joined"
            f" where {table}.offer_no = joined.offer_no"
        )
    ranks = {"price_change": "amount nulls last", "stock_change": "run_no desc"}
    for table, rank in ranks.items():
        connection.execute(
            f"delete from {table} using (select rowid as row_no from {table}"
            " where offer_no in (select first_no from joined_offer)"
            f" qualify row_number() over (partition by offer_no, observed_at order by {rank}) > 1) as doubled"
            f" where {table}.rowid = doubled.row_no"
        )
    connection.execute(
        "delete from price_change using (select rowid as row_no from price_change"
        # of a dated list every observation stays: what was seen twice is confirmed
        " where offer_no in (select first_no from joined_offer) and offer_no not in ("
        " select offer_no from offer inner join source on offer.source = source.source where kind = 'archive')"
        " qualify row(amount, upfront_amount, currency, unit) is not distinct from"
        " lag(row(amount, upfront_amount, currency, unit)) over (partition by offer_no order by observed_at)"
        ") as repeated where price_change.rowid = repeated.row_no"
    )
    connection.execute(
        "update offer_current set changed_at = last.observed_at, amount = last.amount,"
        " upfront_amount = last.upfront_amount, currency = last.currency, unit = last.unit,"
        " effective_at = last.effective_at, run_no = last.run_no, document_no = last.document_no from ("
        " select * from price_change where offer_no in (select first_no from joined_offer)"
        " qualify row_number() over (partition by offer_no order by observed_at desc) = 1) as last"
        " where offer_current.offer_no = last.offer_no"
    )
    connection.execute(
        "update offer_current set availability = last.availability, stock_changed_at = last.observed_at from ("
        " select * from stock_change where offer_no in (select first_no from joined_offer)"
        " qualify row_number() over (partition by offer_no order by observed_at desc) = 1) as last"
        " where offer_current.offer_no = last.offer_no"
    )
    for table in ("offer", "offer_current"):
        connection.execute(f"delete from {table} where offer_no in (select offer_no from joined_offer)")
    # Checkpoints and daily prices follow from the logs.
    connection.execute("delete from price_checkpoint")
    connection.execute("delete from derived")

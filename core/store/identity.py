"""Offers under the ids of this release: a ledger of an earlier one keeps its history under new ids."""

from __future__ import annotations

import duckdb

from gpuledger.core.offer import TERMS, identity
from gpuledger.core.store import sql

IDENTITY = "2"
"""Version of the rule that gives offers their ids, `gpuledger.core.offer.identity`."""
_LOGS = ("price_change", "stock_change")


def renew_ids(connection: duckdb.DuckDBPyConnection) -> int:
    """Give every offer the id that its terms have in this release, note the former one, and join offers of one source
    that differed in case or in invisible characters alone; only inside a transaction. Returns how many changed."""
    count = _note_former_ids(connection, "offer")
    if count:
        for table in ("offer", "offer_current"):
            connection.execute(
                f"update {table} set offer_id = former.offer_id from former_offer_id as former"
                f" where {table}.offer_id = former.former_id"
            )
        _join_doubled(connection)
    return count


def renew_arriving(connection: duckdb.DuckDBPyConnection) -> None:
    """The same for what machines of an earlier release appended to a shared log: rows of temporary tables
    `shared_offer` and so on, as `gpuledger.core.store.shared.follow` stages them."""
    _note_former_ids(connection, "shared_offer")
    row = sql.first(connection, "select count(*) from former_offer_id")
    if row and row[0]:
        for table in ("offer", *_LOGS):
            connection.execute(
                f"update shared_{table} set offer_id = former.offer_id from former_offer_id as former"
                f" where shared_{table}.offer_id = former.former_id"
            )


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
        " where offer_no in (select first_no from joined_offer)"
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

"""What is kept beside the logs so that questions stay quick however long they grow: checkpoints of the
state, and one row per GPU and day. All of it follows from the logs; publishing brings it up to date, a late
import sends it back to the oldest time that changed."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta

import duckdb

from gpuledger.core.errors import StoreError
from gpuledger.core.store import bundled_days, sql
from gpuledger.core.store.database import transaction
from gpuledger.core.store.index_days import derive_index, derive_votes
from gpuledger.core.store.ledger_setting import forget_setting, setting, write_setting

# What is kept beside the rows of dated lists: how long each price held, by its list and by later ones.


def relist(connection: duckdb.DuckDBPyConnection, source: str | None = None) -> None:
    """Say anew of all prices of a dated list how long they held; only inside a transaction.

    Args:
        source: whose rows; all lists without.
    """
    connection.execute(sql.text("derive/no_dated_price"), {"source": source})
    connection.execute(sql.text("derive/dated_price"), {"source": source})


MANY_DAYS = 60
"""More of them are worth all threads, however small the ledger."""

OFFER_DAYS_AT_ONCE = 2_000_000
"""Days of offers that one step spreads out, which bounds its memory: a month of 60,000 offers, and all years of a short
list, whose queries take longer to plan than to run."""

ROWS_APART = 1_000_000
"""Log rows between two checkpoints: what one question about the past reads at most, about 20 ms."""


INDEX_SINCE = "index_since"
"""Setting of a ledger whose days are being derived step by step: from when on the index is chained anew in the end."""


def derive(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> None:
    """Bring checkpoints and daily prices up to the logs, however many steps it takes; days count once they are over."""
    while not derive_step(connection, now=now):
        pass


def derive_step(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> bool:
    """Take one step of `derive`, in one transaction; whoever is stopped goes on after the last one. Returns whether
    all is derived."""
    with transaction(connection):
        reference = _reference(connection)
        run_no, until_date, known_reference = _derived(connection)
        oldest = _one(connection, "derive/oldest_new", {"run_no": run_no})
        if oldest is not None:
            connection.execute(
                "delete from price_checkpoint where checkpoint_at > $oldest", {"oldest": oldest}
            )
        due = connection.execute(
            sql.text("derive/checkpoint_due"), {"now": now, "rows_apart": ROWS_APART}
        ).fetchall()
        for (checkpoint_at,) in due:
            connection.execute(sql.text("derive/checkpoint"), {"checkpoint_at": checkpoint_at})
        has_new_list = _has_new_list(connection, run_no)
        if known_reference != reference or until_date is None or has_new_list:
            relist(connection)
        first = _one(connection, "derive/first_day", {})
        confirmed = _one(connection, "derive/oldest_confirmed", {"run_no": run_no})
        relisted = _one(connection, "derive/oldest_relisted", {"run_no": run_no}) if has_new_list else None
        changed = [at.astimezone(UTC).date() for at in (oldest, confirmed, relisted) if at is not None]
        today = now.astimezone(UTC).date()
        start = min([until_date or date.max, *changed, *_late_rates(connection, run_no, until_date)])
        if until_date is None:
            start = bundled_days.take(connection, today=today) or first or date.max
        elif known_reference != reference:
            start = first or date.max
        with sql.all_threads(connection) if (today - start).days > MANY_DAYS else nullcontext():
            until = _days(connection, start, today)
        last_run = _one(connection, "derive/last_run", {})
        connection.execute("delete from derived")
        connection.execute("insert into derived values ($1, $2, $3)", [last_run, until, reference])
    return until == today


def is_under_way(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether steps of `derive` were taken and others are left, and neither a run nor a release came since."""
    if setting(connection, INDEX_SINCE) is None:
        return False
    run_no, _, reference = _derived(connection)
    return run_no == _one(connection, "derive/last_run", {}) and reference == _reference(connection)


def _late_rates(connection: duckdb.DuckDBPyConnection, run_no: int, until_date: date | None) -> list[date]:
    """The first derived day of each currency that a rate which came since converts otherwise."""
    if until_date is None:
        return []
    parameters = {"run_no": run_no, "until_date": until_date}
    late = connection.execute(sql.text("derive/late_rates"), parameters).fetchall()
    if not late:
        return []
    # asked of the log only then, which is long
    priced = connection.execute("select distinct currency from price_change").fetchall()
    return [from_date for currency, from_date in late if (currency,) in priced]


def _has_new_list(connection: duckdb.DuckDBPyConnection, run_no: int) -> bool:
    row = sql.first(connection, sql.text("derive/new_list"), {"run_no": run_no})
    return bool(row and row[0])


def _days(connection: duckdb.DuckDBPyConnection, start: date, today: date) -> date:
    """Derive the days from `start` to today, or as many of them as one step takes; returns the first that is left."""
    if start >= today:
        return today
    waits = setting(connection, INDEX_SINCE)
    since = min(start, date.fromisoformat(waits)) if waits else start
    for table in ("gpu_price_day", "gpu_vote_day", "price_end_day"):
        connection.execute(f"delete from {table} where price_date >= $start", {"start": start})
    # Years that no price reaches into are passed over.
    start = _next_day(connection, start) or today
    stop = min(start + timedelta(days=_days_at_once(connection)), today)
    if start < stop:
        connection.execute(sql.text("derive/gpu_price_day"), {"from_date": start, "to_date": stop})
        derive_votes(connection, start=start, stop=stop)
        connection.execute(sql.text("derive/price_end_day"), {"from_date": start, "to_date": stop})
    if (_next_day(connection, stop) or today) < today:
        write_setting(connection, INDEX_SINCE, since.isoformat())
        return stop
    derive_index(connection, since=since)
    if waits:
        forget_setting(connection, INDEX_SINCE)
    return today


def _days_at_once(connection: duckdb.DuckDBPyConnection) -> int:
    row = sql.first(connection, "select count(*) from offer")
    # at least two weeks, since every step reads the log from its last checkpoint on; at most a century
    return min(max(OFFER_DAYS_AT_ONCE // max(row[0] if row else 0, 1), 14), 36_500)


def _next_day(connection: duckdb.DuckDBPyConnection, start: date) -> date | None:
    row = sql.first(connection, sql.text("derive/next_day"), {"from_date": start})
    return row[0] if row else None


CHECKED_WHOLE = 5_000_000
"""Log rows up to which every publishing checks all of them; beyond, the runs since the last one."""


def check_rollups(connection: duckdb.DuckDBPyConnection, *, everything: bool = False) -> None:
    """Run the checks of `sql/checks` over the runs since the last publishing, or over all where that is
    quick.

    Raises:
        StoreError: a check found rows; names it and shows one.
    """
    row = sql.first(connection, "select count(*) from price_change")
    is_small = row is not None and row[0] <= CHECKED_WHOLE
    run_no = 0 if everything or is_small else _derived(connection)[0]
    connection.execute("set variable checked_run_no = $run_no", {"run_no": run_no})
    for name in sql.files("checks"):
        wrong = sql.some(connection, sql.text(name), most=3)
        if wrong:
            raise StoreError(f"not published: sql/{name}.sql found {wrong[0]!r} and maybe more")


def _derived(connection: duckdb.DuckDBPyConnection) -> tuple[int, date | None, str]:
    row = sql.first(connection, "select run_no, until_date, reference from derived")
    return (row[0], row[1], row[2]) if row else (0, None, "")


def _reference(connection: duckdb.DuckDBPyConnection) -> str:
    row = sql.first(connection, "select value from ledger_setting where name = 'reference'")
    return row[0] if row else ""


def _one(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, object]) -> datetime | None:
    row = sql.first(connection, sql.text(name), parameters)
    return row[0] if row else None

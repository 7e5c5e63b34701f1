"""A whole ledger into a shared store or out of it, and the proof that both hold the same."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import duckdb

from core.config import LakeAddress
from core.errors import StoreError
from core.store import sql
from core.store.catalogue import EVERYTHING, turn_at, unreachable
from core.store.database import transaction
from core.store.lake import TABLES, columns, join, write_lake_setting


@dataclass(frozen=True, kw_only=True)
class Content:
    """What one table holds, in words that do not depend on a machine's own numbers."""

    table: str
    rows: int
    digest: str
    """Sum of the MD5 of every row, so that the order of rows does not matter and a doubled one does."""


def contents_of_ledger(connection: duckdb.DuckDBPyConnection) -> list[Content]:
    """The tables of the log as this database has them."""
    connection.execute(sql.text("lake/form"))
    return [_content(connection, table, f"form_{table}") for table in TABLES]


def contents_of_lake(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> list[Content]:
    """The same, read from the lake itself and not by catching up."""
    join(address, connection)
    connection.execute(sql.text("lake/held"))
    return [_content(connection, table, f"held_{table}") for table in TABLES]


def _content(connection: duckdb.DuckDBPyConnection, table: str, relation: str) -> Content:
    # One order of columns for both sides: a later release adds them at the end of one and in the middle of the other.
    names = ", ".join(sorted(columns(connection, "temp", f"form_{table}")))
    row = connection.execute(
        "select count(*), coalesce(sum(md5_number_lower(held::varchar)::hugeint), 0)"
        f" from (select {names} from {relation}) as held"
    ).fetchone()
    assert row is not None
    return Content(table=table, rows=row[0], digest=f"{row[1]:032x}")


def fill(address: LakeAddress, connection: duckdb.DuckDBPyConnection, *, anew: bool = False) -> None:
    """Write all of this database's log into the lake, in one commit.

    Args:
        anew: in the place of what the lake holds; machines that follow it start again. Without it the lake has to
            be empty.

    Raises:
        StoreError: the lake holds a ledger, or the catalogue does not answer.
    """
    join(address, connection)
    with turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever records into the lake") as held:
        try:
            with transaction(connection):
                row = connection.execute("select count(*) from lake.scrape_run").fetchone()
                if row and row[0] and not anew:
                    raise StoreError(
                        f"the shared store holds {row[0]} runs already; only an empty one is filled"
                    )
                for table in TABLES:
                    if anew:
                        connection.execute(f"delete from lake.{table}")
                    connection.execute(
                        _INSERTS.get(table, f"insert into lake.{table} by name from form_{table}")
                    )
                write_lake_setting(connection, "generation", uuid.uuid4().hex)
                held.check()
        except duckdb.Error as error:
            raise unreachable(address, error) from error


# Runs and offers keep their order, by which machines number them.
_INSERTS = {
    "scrape_run": "insert into lake.scrape_run by name select * exclude (run_no) from scrape_run order by run_no",
    "offer": "insert into lake.offer by name"
    " select scrape_run.run_id, offer.* exclude (offer_no, gpu_id, first_run_no)"
    " from offer inner join scrape_run on offer.first_run_no = scrape_run.run_no order by offer.offer_no",
}


def leave(connection: duckdb.DuckDBPyConnection) -> None:
    """From now on this database is a ledger of its own."""
    connection.execute("delete from ledger_setting where name in ('lake', 'lake_commit')")


def follow(connection: duckdb.DuckDBPyConnection) -> None:
    """From now on this database follows the lake that it was just written into."""
    with transaction(connection):
        leave(connection)
        connection.execute(
            "insert into ledger_setting select 'lake', value from lake.ledger_setting where name = 'generation'"
        )
        connection.execute(
            "insert into ledger_setting select 'lake_commit', id::varchar from lake.current_snapshot()"
        )

# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
"""A whole ledger into a shared store or out of it, and the proof that both hold the same."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql
from gpuledger.core.store.catalogue import EVERYTHING, turn_at
from gpuledger.core.store.database import transaction
from gpuledger.core.store.shared.lake import (
    TABLES,
    begin_anew,
    commit_no,
    generation,
    insert,
    open_lake,
    remake,
)


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
    with open_lake(address, connection) as there, transaction(there):
        there.execute(sql.text("lake/held"))
        return [_content(there, table, f"held_{table}") for table in TABLES]


def _content(connection: duckdb.DuckDBPyConnection, table: str, relation: str) -> Content:
    # One order of columns for both sides: a later release adds them at the end of one and within the other.
    names = ", ".join(sorted(name for name, *_ in connection.execute(f"describe {relation}").fetchall()))
    row = sql.first(
        connection,
        "select count(*), coalesce(sum(md5_number_lower(held::varchar)::hugeint), 0)"
        f" from (select {names} from {relation}) as held",
    )
    assert row is not None
    return Content(table=table, rows=row[0], digest=f"{row[1]:032x}")


def fill(
    address: LakeAddress, connection: duckdb.DuckDBPyConnection, *, anew: bool = False
) -> tuple[str, int]:
    """Write all of this database's log into the lake, in one commit; returns the lake's generation and that commit.

    Args:
        anew: in the place of what the lake holds; machines that follow it start again. Without it the lake has to
            be empty.

    Raises:
        StoreError: the lake holds a ledger, or the catalogue does not answer.
    """
    connection.execute(sql.text("lake/form"))
    with (
        # opened first: to make a lake takes the same turn
        open_lake(address, connection) as there,
        turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever records into the lake") as held,
    ):
        with transaction(there):
            row = None if anew else sql.first(there, "select count(*) from lake.scrape_run")
            if row and row[0]:
                raise StoreError(f"the shared store holds {row[0]} runs already; only an empty one is filled")
            if anew:
                remake(there, connection)
            for table in TABLES:
                rows = sql.arrow_batches(connection, _WHOLE.get(table, f"from form_{table}"))
                insert(there, table, rows)
            begin_anew(there)
            held.check()
        # still in turn, so that nobody's commit is between
        return generation(there), commit_no(there)


# Runs and offers keep their order, by which machines number them.
_WHOLE = {
    "scrape_run": "select * exclude (run_no) from scrape_run order by run_no",
    "offer": "select scrape_run.run_id, offer.* exclude (offer_no, gpu_id, first_run_no)"
    " from offer inner join scrape_run on offer.first_run_no = scrape_run.run_no order by offer.offer_no",
}

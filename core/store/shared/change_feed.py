# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""What was appended to a lake after a commit: by the change feed of its tables, which opens only the files of those
commits, or by reading the tables where the catalogue has forgotten one of the commits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from gpuledger.core.config import LakeAddress
from gpuledger.core.store import sql
from gpuledger.core.store.shared.lake import commit_no


@dataclass(frozen=True, kw_only=True)
class ChangeFeed:
    """The commits of a lake after one of them, as one transaction sees them."""

    connection: duckdb.DuckDBPyConnection
    since: int
    newest: int
    commits: frozenset[int]
    """Those of the commits that were not expired. The feed refuses to begin or end with another one."""

    def runs(self) -> Any:
        """Names of the runs, with the commit and the place of each; an Arrow table."""
        appended = self._appended("scrape_run", self.since + 1, self.newest)
        return sql.arrow(
            self.connection, f"with appended_scrape_run as ({appended})\n{sql.text('lake/run_since')}"
        )

    def run_sizes(self) -> Any:
        """How many rows each run has in the tables that grow; an Arrow table."""
        parts = ", ".join(
            f"appended_{table} as ({self._appended(table, self.since + 1, self.newest)})"
            for table in ("price_change", "stock_change", "offer")
        )
        return sql.arrow(self.connection, f"with {parts}\n{sql.text('lake/run_size')}")

    def no_sizes(self) -> Any:
        """In the form of `run_sizes`, where nobody needs them."""
        return sql.arrow(self.connection, "select ''::varchar as run_id, 0::bigint as row_count limit 0")

    @contextmanager
    def rows_of_runs(self, table: str, runs: Any) -> Generator[Any]:
        """Rows of some runs in a table, with each run's number and each row's place; a stream of Arrow batches, to be
        read to its end inside.

        Args:
            runs: an Arrow table of run_id, commit_no and run_no; only the commits between the first and the last are
                read.
        """
        numbers = runs["commit_no"].to_pylist()
        appended = self._appended(table, min(numbers), max(numbers))
        with sql.registered(self.connection, chosen_run=runs):
            yield sql.arrow_batches(
                self.connection,
                f"with appended as ({appended})"
                " select chosen_run.run_no, appended.rowid as place, appended.* exclude (run_id, snapshot_id, rowid)"
                " from appended inner join chosen_run"
                " on appended.run_id = chosen_run.run_id and appended.snapshot_id = chosen_run.commit_no",
            )

    def _appended(self, table: str, first: int, last: int) -> str:
        """The query of a table's rows of those commits, with snapshot_id and rowid before the columns."""
        if {first, self.newest} <= self.commits:
            # to the newest, since the feed has the columns of the last commit that is named
            feed = f"ducklake_table_insertions('lake', 'main', '{table}', {first:d}, {self.newest:d})"
            source = f"{feed} where snapshot_id <= {last:d}"
        else:
            source = f"lake.{table} where snapshot_id between {first:d} and {last:d}"
        return f"select snapshot_id, rowid, * from {source}"


def change_feed(address: LakeAddress, connection: duckdb.DuckDBPyConnection, since: int) -> ChangeFeed:
    """What came after that commit; only inside a transaction, whose view of the lake it has."""
    newest = commit_no(connection)
    schema = '"{}"'.format(address.schema.replace('"', '""'))
    rows = connection.execute(
        f"select snapshot_id from __ducklake_metadata_lake.{schema}.ducklake_snapshot"
        " where snapshot_id > $since and snapshot_id <= $newest",
        {"since": since, "newest": newest},
    ).fetchall()
    return ChangeFeed(
        connection=connection, since=since, newest=newest, commits=frozenset(number for (number,) in rows)
    )

"""Faults of DuckLake that its tracker names (read on 2026-11-30), each tried against the shared store. Where the fault
is in the version that the lock holds, a test shows it beside ours, so that an upgrade that mends it is noticed."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql
from gpuledger.core.store.catalogue import EVERYTHING, hang_up, load, turn_at
from gpuledger.core.store.database import transaction
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.shared import compaction, lake
from gpuledger.core.store.shared.change_feed import change_feed
from tests.postgres import Server

pytestmark = [pytest.mark.shared_store, pytest.mark.faults]

WRITERS = 4
COMMITS_EACH = 12
ROWS = lake.INLINED_ROWS + 20
"""So many that each commit has a file of its own, and an identifier for it."""


@pytest.fixture
def address(postgres: Server, tmp_path: Path) -> Iterator[LakeAddress]:
    made = postgres.empty_lake(tmp_path / "shared")
    yield made
    lake.close(made)
    hang_up(made)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A ledger of this release, which knows the columns of the lake's tables."""
    with duckdb.connect(str(tmp_path / "ledger.duckdb")) as connection:
        migrate(connection, sources=(), aliases=())
        yield connection


def rows_of(connection: duckdb.DuckDBPyConnection, writer: int, commit: int) -> dict[str, pa.Table]:
    """What one run appends: the row of the run, and enough rows to be a file."""
    empty = {
        table: connection.execute(f"from lake.{table} limit 0").to_arrow_table() for table in lake.TABLES
    }
    run = f"{writer:02d}-{commit:02d}"
    skipped = connection.execute(
        f"select '{run}' as run_id, 'row ' || i as reason, 1 as row_count, '' as example from range({ROWS}) as rows(i)"
    ).to_arrow_table()
    return empty | {"skipped_row": skipped}


def test_identifiers_do_not_collide_under_concurrent_commits(address, ledger):
    """duckdb/ducklake#1094 (open): identifiers of commits, files and rows are the largest one plus one, read before the
    commit. Two that commit at once meet on the number of the commit; the loser has to take all its numbers anew."""
    failures: list[str] = []

    def work(writer: int) -> None:
        connection = lake._attached(address, ledger.cursor())
        try:
            for commit in range(COMMITS_EACH):
                rows = rows_of(connection, writer, commit)
                lake.append(connection, rows, lambda: None)
        except duckdb.Error as error:
            failures.append(str(error)[:300])
        finally:
            connection.close()

    # the first one makes what all of them need
    with lake.open_lake(address, ledger):
        pass
    writers = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=300)
    assert failures == []
    with lake.open_lake(address, ledger) as connection:
        runs = dict(
            connection.execute("select run_id, count(*) from lake.skipped_row group by all").fetchall()
        )
        assert runs == {f"{w:02d}-{c:02d}": ROWS for w in range(WRITERS) for c in range(COMMITS_EACH)}
        # how machines catch up: each row once, under the commit that brought it
        chosen = sql.arrow(
            connection,
            "select distinct run_id, snapshot_id as commit_no, snapshot_id::integer as run_no from lake.skipped_row",
        )
        assert chosen.num_rows == WRITERS * COMMITS_EACH
        with (
            transaction(connection),
            change_feed(address, connection, 0).rows_of_runs("skipped_row", chosen) as rows,
        ):
            news = rows.read_all()
        assert news.num_rows == WRITERS * COMMITS_EACH * ROWS
        assert len(set(news["place"].to_pylist())) == news.num_rows
        assert len(set(news["run_no"].to_pylist())) == WRITERS * COMMITS_EACH
        files = connection.execute(
            "select data_file from ducklake_list_files('lake', 'skipped_row')"
        ).fetchall()
        assert len(files) == len(set(files)) == WRITERS * COMMITS_EACH


def test_writers_go_on_beside_compacting_and_nothing_is_lost_or_doubled(address, ledger):
    """duckdb/ducklake#650 (open): an insert at the same time as a flush doubled rows; #1335 (open): a commit whose rows
    go into the catalogue leaves a number of a file that the next file takes again. Rows of both kinds, while it is
    compacted again and again; writers share the turn, as in `recording`."""
    failures: list[str] = []
    sizes: dict[str, int] = {}
    is_over = threading.Event()

    def work(writer: int) -> None:
        connection = lake._attached(address, ledger.cursor())
        commit = 0
        try:
            while not is_over.is_set():
                rows = rows_of(connection, writer, commit)
                if (writer + commit) % 2:
                    rows["skipped_row"] = rows["skipped_row"].slice(0, 20)
                with turn_at(
                    address, f"record/{writer}", wait_seconds=60, whose="a test", shared=EVERYTHING
                ) as held:
                    lake.append(connection, rows, held.check)
                sizes[f"{writer:02d}-{commit:02d}"] = rows["skipped_row"].num_rows
                commit += 1
        except (duckdb.Error, StoreError) as error:
            failures.append(str(error)[:300])
        finally:
            connection.close()

    with lake.open_lake(address, ledger):
        pass
    writers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        merged = [compaction.maintain(address, ledger.cursor()) for _ in range(4)]
    finally:
        is_over.set()
        for writer in writers:
            writer.join(timeout=300)
    assert failures == []
    assert any(merged), "nothing was merged meanwhile"
    with lake.open_lake(address, ledger) as connection:
        runs = dict(
            connection.execute("select run_id, count(*) from lake.skipped_row group by all").fetchall()
        )
        assert runs == sizes
        commits = connection.execute(
            "select max(commits) from (select count(distinct snapshot_id) as commits from lake.skipped_row"
            " group by run_id)"
        ).fetchall()
        assert commits == [(1,)], "rows of a run are under another commit's number"
        assert lake.missing_files(address, connection) == []


def test_a_delete_is_lost_where_newer_snapshots_expire_and_ours_cannot_be(address, ledger):
    """duckdb/ducklake#1472 (open): a transaction that deletes from a file which was compacted meanwhile commits without
    a conflict when the snapshots of that time are expired. We delete in one place, the settings of the lake, and there
    the turn of everything is held, as it is by whoever compacts and expires."""
    order: list[str] = []
    is_deleting = threading.Event()

    def rewrite() -> None:
        with (
            lake.open_lake(address, ledger.cursor()) as connection,
            turn_at(address, EVERYTHING, wait_seconds=60, whose="a test"),
            transaction(connection),
        ):
            lake.begin_anew(connection)
            is_deleting.set()
            time.sleep(1.0)
            order.append("rewritten")

    with lake.open_lake(address, ledger) as connection:
        before = lake.generation(connection)
    writer = threading.Thread(target=rewrite)
    writer.start()
    assert is_deleting.wait(60)
    compaction.maintain(address, ledger)
    order.append("maintained")
    writer.join(timeout=60)
    assert order == ["rewritten", "maintained"]
    with lake.open_lake(address, ledger) as connection:
        assert lake.generation(connection) != before
        names = connection.execute("select name, count(*) from lake.ledger_setting group by all").fetchall()
        assert {count for _, count in names} == {1}, "a deleted setting is back"


def test_the_locked_version_loses_that_delete(tmp_path):
    """The fault itself, so that we know when it is mended."""
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as one:
        load(one, "ducklake")
        one.execute(
            f"attach 'ducklake:{tmp_path}/catalogue.db' as lake"
            f" (data_path '{tmp_path}/data', data_inlining_row_limit 0)"
        )
        other = one.cursor()
        one.execute("create table lake.t (id integer, p integer)")
        one.execute("insert into lake.t values (1, 1)")
        other.begin()
        assert other.execute("select id from lake.t").fetchall() == [(1,)]
        one.execute("insert into lake.t values (2, 1)")
        one.execute("call ducklake_merge_adjacent_files('lake')")
        one.execute("create table lake.unrelated (i integer)")
        one.execute("call ducklake_expire_snapshots('lake', versions := [3, 4])")
        other.execute("delete from lake.t where id = 1")
        other.commit()
        left = one.execute("select id from lake.t order by id").fetchall()
        other.close()
    assert left == [(1,), (2,)], "mended: take the note out of docs/operations.md"


def test_a_server_that_ends_idle_transactions_takes_no_turn(address, postgres):
    """duckdb/ducklake#1463 (open) tells of servers with `idle_in_transaction_session_timeout`. A turn is such a
    transaction for as long as a provider answers."""
    postgres.run("alter role gpuledger set idle_in_transaction_session_timeout = '300ms'")
    hang_up(address)
    try:
        with turn_at(address, "fetch/slow", wait_seconds=5, whose="another") as held:
            time.sleep(1.2)
            held.check()
    finally:
        postgres.run("alter role gpuledger reset idle_in_transaction_session_timeout")
        hang_up(address)


def test_compaction_that_such_a_server_ends_loses_nothing(address, ledger, postgres):
    """duckdb/ducklake#1463 (open): compaction keeps its transaction in the catalogue open while it writes Parquet."""
    with lake.open_lake(address, ledger) as connection:
        for commit in range(6):
            lake.append(connection, rows_of(connection, 0, commit), lambda: None)
    postgres.run("alter role gpuledger set idle_in_transaction_session_timeout = '1ms'")
    lake.close(address)
    hang_up(address)
    try:
        with pytest.raises(Exception, match=r"shared store|terminat|connection") as ended:
            compaction.maintain(address, ledger)
        assert type(ended.value).__name__ in ("StoreError", "UnreachableError"), ended.value
    finally:
        postgres.run("alter role gpuledger reset idle_in_transaction_session_timeout")
        lake.close(address)
        hang_up(address)
    assert compaction.maintain(address, ledger) >= 0
    with lake.open_lake(address, ledger) as connection:
        assert connection.execute("select count(*) from lake.skipped_row").fetchall() == [(6 * ROWS,)]
        assert lake.missing_files(address, connection) == []

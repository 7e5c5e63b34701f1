"""A ledger of any age is brought to this release, once, and never to a wrong one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from gpuledger.core.alias import Alias
from gpuledger.core.errors import MigrationError
from gpuledger.core.gpu import gpus
from gpuledger.core.store import sql
from gpuledger.core.store.migrate import SourceRow, migrate

SOURCE = SourceRow(
    source="runpod",
    provider="runpod",
    kind="live",
    fresh_for_seconds=10_800,
    every_seconds=3600,
    homepage="https://prices.example/",
    licence="none",
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        yield made


def bring(connection: duckdb.DuckDBPyConnection, *aliases: Alias) -> None:
    migrate(connection, sources=[SOURCE], aliases=aliases)


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def more_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of `sql/` that a test may change."""
    copy = tmp_path / "sql"
    for kind in ("migrations", "views", "seeds"):
        (copy / kind).mkdir(parents=True)
        for path in (sql.FOLDER / kind).iterdir():
            (copy / kind / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(sql, "FOLDER", copy)
    sql.text.cache_clear()
    yield copy
    sql.text.cache_clear()


def test_every_migration_is_applied_once(connection: duckdb.DuckDBPyConnection):
    for _ in range(3):
        bring(connection)
    applied = [row[0] for row in connection.execute("select name from schema_migration").fetchall()]
    assert applied == sql.files("migrations")
    assert applied


def test_a_new_migration_is_applied_to_a_ledger_with_rows(
    connection: duckdb.DuckDBPyConnection, more_sql: Path
):
    bring(connection)
    connection.execute("insert into skipped_row values (1, 'no price', 3, '{}')")
    (more_sql / "migrations" / "9000_note.sql").write_text("alter table skipped_row add column note varchar;")
    bring(connection)
    assert connection.execute("select * from skipped_row").fetchall() == [(1, "no price", 3, "{}", None)]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    connection: duckdb.DuckDBPyConnection, more_sql: Path
):
    bring(connection)
    broken = more_sql / "migrations" / "9000_broken.sql"
    broken.write_text("create table half (a integer); select * from nowhere;")
    with pytest.raises(duckdb.Error, match="nowhere"):
        bring(connection)
    assert "half" not in {
        row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()
    }
    assert count(connection, "schema_migration") == len(sql.files("migrations")) - 1


def test_a_released_migration_that_was_edited_is_refused(
    connection: duckdb.DuckDBPyConnection, more_sql: Path
):
    bring(connection)
    first = sorted((more_sql / "migrations").iterdir())[0]
    first.write_text(first.read_text() + "\n-- a harmless remark\n")
    sql.text.cache_clear()
    with pytest.raises(MigrationError, match=f"migrations/{first.stem} differs from what was applied"):
        bring(connection)


def test_a_ledger_of_a_newer_release_is_refused(connection: duckdb.DuckDBPyConnection):
    bring(connection)
    connection.execute("insert into schema_migration values ('migrations/9999_future', 'x')")
    with pytest.raises(
        MigrationError, match="9999_future, which this release does not know; upgrade gpuledger"
    ):
        bring(connection)


def test_an_installation_without_its_sql_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from gpuledger.core.errors import StoreError

    monkeypatch.setattr(sql, "FOLDER", tmp_path)
    with pytest.raises(StoreError, match="the installation is incomplete"):
        sql.files("migrations")


def test_the_seeds_are_whole(connection: duckdb.DuckDBPyConnection):
    bring(connection)
    ids = {row[0] for row in connection.execute("select gpu_id from gpu").fetchall()}
    assert ids == set(gpus())
    assert count(connection, "region") > 100


def test_seeds_are_replaced_and_never_doubled(connection: duckdb.DuckDBPyConnection):
    bring(connection)
    before = count(connection, "region")
    bring(connection, Alias("", "H100", None, "h100-80gb"))
    assert count(connection, "region") == before
    assert count(connection, "gpu_alias") == 1
    assert count(connection, "source") == 1


def test_without_a_change_nothing_is_loaded_again(connection: duckdb.DuckDBPyConnection):
    bring(connection)
    connection.execute("delete from region")
    bring(connection)
    assert count(connection, "region") == 0


def test_a_changed_seed_file_is_loaded(connection: duckdb.DuckDBPyConnection, more_sql: Path):
    bring(connection)
    (more_sql / "seeds" / "region_moon.csv").write_text(
        "provider,region,location_name,country,continent,source\nluna,mare-1,Mare,,,\n"
    )
    bring(connection)
    assert connection.execute("select region, country from region where provider = 'luna'").fetchall() == [
        ("mare-1", None)
    ]


def test_each_provider_and_region_is_there_once(connection: duckdb.DuckDBPyConnection):
    bring(connection)
    assert (
        connection.execute("select provider, region from region group by all having count(*) > 1").fetchall()
        == []
    )


def test_prices_of_a_source_that_nobody_declares_any_more_stay(books, an_offer):
    """A release without it, or a machine where its plug-in is not installed."""
    books.run(an_offer("a", "2.5"), source="other")
    books.publish()
    books.sources = tuple(row for row in books.sources if row.source != "other")
    books.run(an_offer("b", "3"))
    books.publish()
    assert books.read("select source, amount::double from offer_latest order by source") == [
        ("other", 2.5),
        ("runpod", 3.0),
    ]
    assert books.read("select source from source order by source") == [("list",), ("other",), ("runpod",)]


def test_a_source_that_never_ran_goes_with_its_declaration(connection: duckdb.DuckDBPyConnection):
    bring(connection)
    migrate(connection, sources=[replace(SOURCE, source="vast")], aliases=())
    assert connection.execute("select source from source").fetchall() == [("vast",)]

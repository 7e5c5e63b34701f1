"""The database documents itself: every table and column says what it holds."""

import duckdb

from gpuledger.core.store import sql

# kept by the store for itself; not part of the ledger
INTERNAL = {"schema_migration", "ledger_setting"}


def test_every_table_says_its_grain(migrated: duckdb.DuckDBPyConnection):
    tables = dict(migrated.execute("select table_name, comment from duckdb_tables()").fetchall())
    assert len(tables) > 12
    assert {name for name, comment in tables.items() if not comment} - INTERNAL == set()
    assert {
        name for name, comment in tables.items() if comment and not comment.startswith("One row")
    } == set()


def test_every_column_of_a_table_says_what_it_holds(migrated: duckdb.DuckDBPyConnection):
    columns = migrated.execute(
        "select table_name, column_name, comment from duckdb_columns()"
        " where table_name in (select table_name from duckdb_tables())"
    ).fetchall()
    assert len(columns) > 100
    assert [
        (table, column) for table, column, comment in columns if not comment and table not in INTERNAL
    ] == []


def test_every_view_says_its_grain(migrated: duckdb.DuckDBPyConnection):
    views = dict(
        migrated.execute("select view_name, comment from duckdb_views() where not internal").fetchall()
    )
    assert "price_history" in views
    assert {name for name, comment in views.items() if not comment} == set()


def test_no_name_is_a_reserved_word(migrated: duckdb.DuckDBPyConnection):
    reserved = {"at", "asof", "offset", "qualify", "end"}
    names = {
        row[0]
        for row in migrated.execute("select column_name from duckdb_columns() where not internal").fetchall()
    }
    assert "observed_at" in names
    assert names & reserved == set()


def test_every_instant_knows_its_zone(migrated: duckdb.DuckDBPyConnection):
    columns = "select column_name from duckdb_columns() where not internal and data_type"
    assert migrated.execute(f"{columns} = 'TIMESTAMP WITH TIME ZONE'").fetchall()
    assert migrated.execute(f"{columns} in ('TIMESTAMP', 'TIMESTAMP_NS', 'TIMESTAMP_S')").fetchall() == []


def test_money_is_never_a_float(migrated: duckdb.DuckDBPyConnection):
    found = migrated.execute(
        "select table_name, column_name from duckdb_columns()"
        " where not internal and data_type in ('FLOAT', 'DOUBLE')"
        " and (column_name like '%amount%' or column_name like '%usd%')"
    ).fetchall()
    assert found == []


def test_no_key_or_index_is_on_a_table(migrated: duckdb.DuckDBPyConnection):
    """They cost five to twelve times the space; uniqueness is a check."""
    kinds = {
        row[0] for row in migrated.execute("select constraint_type from duckdb_constraints()").fetchall()
    }
    assert kinds & {"PRIMARY KEY", "UNIQUE", "FOREIGN KEY"} == set()
    assert migrated.execute("select index_name from duckdb_indexes()").fetchall() == []
    assert sql.files("checks")

"""A table of Arrow lent to a connection: taken back whatever was read of it, and no error hidden by taking it back."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from gpuledger.core.store import sql
from gpuledger.core.store.database import transaction

PRICES = pa.table({"usd": list(range(100_000))})


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        yield connection


def names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("select view_name from duckdb_views()").fetchall()}


def test_a_result_that_nobody_read_does_not_keep_a_table(connection):
    with sql.registered(connection, price=PRICES):
        connection.execute("from price")
    assert "price" not in names(connection)


def test_what_is_refused_inside_is_what_is_raised(connection):
    with (
        pytest.raises(duckdb.Error, match="a full disk"),
        transaction(connection),
        sql.registered(connection, price=PRICES, other=PRICES),
    ):
        connection.execute("select error('a full disk') from price").fetchall()
    assert not {"price", "other"} & names(connection)
    with sql.registered(connection, price=PRICES):
        assert sql.first(connection, "select count(*) from price") == (100_000,)


@pytest.mark.parametrize("parameters", [{"least": 99_998}, [99_998], None])
def test_arrow_of_a_query_comes_without_a_warning(connection, parameters):
    with sql.registered(connection, price=PRICES):
        mark = {dict: "$least", list: "$1", type(None): "99998"}[type(parameters)]
        query = f"with seen as (from price) select usd from seen where usd >= {mark}"
        assert sql.arrow(connection, query, parameters)["usd"].to_pylist() == [99_998, 99_999]


def address_space_mib() -> int:
    (size,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize")
    ]
    return int(size.split()[1]) >> 10


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells a process's address space here"
)
def test_small_tables_that_are_kept_take_no_room_for_a_million_rows(connection):
    before = address_space_mib()
    tables = [
        sql.arrow(connection, "select range a, range + 1 b, range + 2 c from range(10)") for _ in range(100)
    ]
    assert address_space_mib() - before < 100  # 3 columns of 8 MB in each of 100 tables are 2,400
    assert all(len(table) == 10 for table in tables)

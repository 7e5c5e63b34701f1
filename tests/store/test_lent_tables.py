"""A table of Arrow lent to a connection: taken back whatever was read of it, and no error hidden by taking it back."""

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

"""SQL of strangers: what it may ask, and that it can touch nothing else."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import UsageError
from core.store.publish import reading
from core.store.sandbox import run_query


@pytest.fixture(scope="module")
def home(books_in, an_offer, tmp_path_factory):
    books = books_in(tmp_path_factory.mktemp("sandbox"))
    books.run(an_offer("a", "2.5"), an_offer("b", "3"))
    books.publish()
    return books.home


@pytest.fixture
def ask(home) -> Callable[..., list[dict[str, Any]]]:
    def run(text: str, **more: Any) -> list[dict[str, Any]]:
        with reading(home, sandboxed=True) as connection:
            return run_query(connection, text, **more)

    return run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a hostile query, with a file worth reading."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text("key\nhunter2\n")
    return tmp_path


ANSWERED = {
    "select count(*) as n from offer_latest": [{"n": 2}],
    "select sku from offer_latest order by sku;": [{"sku": "a"}, {"sku": "b"}],
    "with cheap as (select min(amount)::varchar as least from price_change) from cheap": [
        {"least": "2.500000"}
    ],
    "values (1)": [{"col0": 1}],
    "select * from offer limit 0": [],
    "select number from snapshot": [{"number": 1}],
}


@pytest.mark.parametrize("query", ANSWERED)
def test_a_query_is_answered(ask, query: str):
    assert ask(query) == ANSWERED[query]


@pytest.mark.parametrize(
    "query",
    ["describe offer", "show tables", "summarize offer", "pragma table_info('offer')", "explain select 1"],
)
def test_the_ledger_may_be_looked_at(ask, query: str):
    assert ask(query)


def test_two_columns_of_one_name_keep_both_values(ask):
    assert ask("select 1 as a, 2 as a, 3 as a_2, 4 as b") == [{"a": 1, "a_2": 2, "a_2_2": 3, "b": 4}]


def test_instants_are_in_utc(ask):
    (row,) = ask("select observed_at, observed_at::varchar as text from price_change limit 1")
    assert row["observed_at"].utcoffset().total_seconds() == 0
    assert row["text"].endswith("+00")


WRITES_AND_READS = (
    "copy offer to 'out.csv'",
    "copy (select 1) to 'out.parquet' (format parquet)",
    "copy offer from 'secret.csv'",
    "export database 'out'",
    "import database 'out'",
    "attach 'out.duckdb'",
    "attach ':memory:' as elsewhere",
    "detach prices",
    "install httpfs",
    "load httpfs",
    "load './out.so'",
    "force install json from 'http://127.0.0.1/x'",
    "update extensions",
    "select * from read_csv('secret.csv')",
    "select * from read_text('secret.csv')",
    "select * from read_text('/etc/hostname')",
    "select * from read_blob('secret.csv')",
    "select * from read_json('secret.csv')",
    "select * from read_parquet('secret.csv')",
    "select * from 'secret.csv'",
    'select * from "secret.csv"',
    "from 'secret.csv'",
    "select * from glob('*')",
    "select * from glob('/etc/*')",
    "select * from sniff_csv('secret.csv')",
    "select * from parquet_metadata('secret.csv')",
    "select * from query_table('secret.csv')",
    "from query('copy offer to ''out.csv''')",
    "select * from read_csv('http://127.0.0.1:1/a.csv')",
    "select * from read_parquet('s3://bucket/a.parquet')",
    "select (select content from read_text('secret.csv')) as content",
    "explain analyze copy offer to 'out.csv'",
    "explain analyze insert into snapshot values (9, now())",
    "select * from duckdb_secrets()",
    "select getenv('HOME')",
    "set memory_limit = '64GB'",
    "set enable_external_access = true",
    "set global enable_external_access = true",
    "set lock_configuration = false",
    "set temp_directory = '.'",
    "set variable as_of = '2026-01-01'",
    "reset memory_limit",
    "pragma memory_limit = '64GB'",
    "pragma threads = 64",
    "pragma enable_profiling",
    "pragma force_checkpoint",
    "pragma import_database('out')",
    "pragma copy_database('prices', 'out')",
    "call enable_logging(storage = 'file', storage_path = 'out.log')",
    "create table t (a integer)",
    "create temp table t as select 1",
    "create view v as select 1",
    "create macro m() as 1",
    "create secret s (type s3)",
    "insert into snapshot values (9, now())",
    "update offer set sku = 'x'",
    "delete from offer",
    "truncate offer",
    "drop table offer",
    "alter table offer add column note varchar",
    "comment on table offer is 'x'",
    "merge into offer using offer as o on false when not matched then insert by name",
    "checkpoint",
    "vacuum",
    "begin",
    "commit",
    "use memory",
    "prepare p as select 1",
    "execute p",
    "select 1; select 2",
    "select 1; drop table offer",
    "select 1; copy offer to 'out.csv'",
    "from python_scan()",
    "from place",
    "",
    ";",
    "-- nothing",
    "selec 1",
    "select * from nowhere",
    "select $1",
    "select 1 / 'x'",
    "\x00",
)


@pytest.mark.parametrize("query", WRITES_AND_READS)
def test_everything_else_is_refused_in_one_line_and_leaves_no_trace(ask, home, place: Path, query: str):
    before = sorted(home.path.rglob("*"))
    with pytest.raises(UsageError, match=r"^sql: ") as caught:
        ask(query)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert [path.name for path in place.iterdir()] == ["secret.csv"]
    assert sorted(home.path.rglob("*")) == before
    assert ask("select count(*) as n from offer") == [{"n": 2}]


def test_no_variable_of_a_test_is_a_table(ask):
    """Python variables are not looked up by name."""
    rows = [{"key": "hunter2"}]
    assert rows
    with pytest.raises(UsageError, match="rows does not exist"):
        ask("select * from rows")


ENDLESS = {
    "a recursion": "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "a range": "select count(*) from range(100000000000)",
    "a cross join": "select sum(a.range * b.range) from range(1000000) as a, range(1000000) as b",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_query_without_end_is_stopped_in_time(ask, what: str):
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"sql: stopped after 0\.2 s"):
        ask(ENDLESS[what], timeout_seconds=0.2)
    assert time.monotonic() - began < 5


def test_a_query_that_wants_all_memory_is_refused(ask):
    with pytest.raises(UsageError, match="sql: Out of Memory Error"):
        ask("select string_agg(repeat('x', 1000000), '') from range(10000)", timeout_seconds=30)


def test_nothing_is_spilled_to_disk(ask, home, place: Path):
    before = sorted(home.path.rglob("*"))
    with pytest.raises(UsageError, match=r"sql: (Out of Memory|stopped)"):
        ask("select len(list(range order by hash(range))) from range(200000000)", timeout_seconds=2)
    assert [path.name for path in place.iterdir()] == ["secret.csv"]
    assert sorted(home.path.rglob("*")) == before


def test_more_rows_than_allowed_are_refused_and_not_cut(ask):
    with pytest.raises(UsageError, match="sql: more than 1000 rows; add a limit"):
        ask("select * from range(1001)", max_rows=1000)
    assert len(ask("select * from range(1000)", max_rows=1000)) == 1000


def test_a_million_rows_is_the_bound(ask):
    with pytest.raises(UsageError, match="sql: more than 1000000 rows"):
        ask("select * from range(1000001)")


BOUNDS = {
    "enable_external_access": False,
    "lock_configuration": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "953.6 MiB",
    "max_temp_directory_size": "0 bytes",
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_holds(ask, name: str):
    assert ask(f"select current_setting('{name}') as value") == [{"value": BOUNDS[name]}]

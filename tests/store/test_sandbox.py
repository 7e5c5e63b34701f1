"""SQL of strangers: what it may ask, and that it can touch nothing else."""

import io
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gpuledger.core.errors import UsageError
from gpuledger.core.store import sandbox
from gpuledger.core.store.publish import reading
from gpuledger.core.store.sandbox import run_query
from gpuledger.core.store.sandbox_child import queried


@pytest.fixture(scope="module")
def home(books_in, an_offer, tmp_path_factory):
    books = books_in(tmp_path_factory.mktemp("sandbox"))
    books.run(an_offer("a", "2.5"), an_offer("b", "3"))
    books.publish()
    return books.home


@pytest.fixture
def ask(home) -> Callable[..., list[dict[str, Any]]]:
    """Asks as the process of a query does, without the process: what a text may say does not depend on it."""

    def run(text: str) -> list[dict[str, Any]]:
        with reading(home, sandbox_threads=2) as connection:
            found = queried(connection, text, max_rows=1000)
        return [dict(zip(found["names"], row, strict=True)) for row in found["rows"]]

    return run


@pytest.fixture
def ask_apart(home) -> Callable[..., list[dict[str, Any]]]:
    """Asks as everybody does: in a process of its own."""
    return lambda text, **more: run_query(home.path, text, **more)


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


def test_an_answer_comes_back_as_python_values_of_its_types(ask_apart):
    (row,) = ask_apart(
        "select 1::hugeint as whole, 1.50::decimal(9, 2) as money, timestamptz '2026-01-01 02:00:00+02' as instant,"
        " date '2026-01-01' as day, '10:00:00+02'::timetz as time, interval 3 days as span, 'x'::blob as bytes,"
        " '00000000-0000-0000-0000-000000000001'::uuid as id, [1, 2] as list, {'a': 1.5} as struct, null as none"
    )
    assert row.pop("instant") == datetime(2026, 1, 1, tzinfo=UTC)
    assert row == {
        "whole": 1,
        "money": Decimal("1.50"),
        "day": date(2026, 1, 1),
        "time": clock_time(10, tzinfo=timezone(timedelta(hours=2))),
        "span": timedelta(days=3),
        "bytes": b"x",
        "id": UUID(int=1),
        "list": [1, 2],
        "struct": {"a": Decimal("1.5")},
        "none": None,
    }


@pytest.mark.parametrize(
    "query", ["selec 1", "drop table offer", "select 1; select 2", "select getenv('HOME')"]
)
def test_a_refusal_comes_back_from_its_process(ask_apart, query: str):
    with pytest.raises(UsageError, match=r"^sql: "):
        ask_apart(query)


ENDLESS = {
    "a recursion": "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "a range": "select count(*) from range(100000000000)",
    "a cross join": "select sum(a.range * b.range) from range(1000000) as a, range(1000000) as b",
    # one call that DuckDB does not interrupt: 11 s where nothing but an interrupt ends it
    "one long text": "select repeat('x', 2000000000)",
    "the length of one long text": "select length(repeat('xy', 1000000000))",
    "a long list": "select list_sum(range(1500000000))",
    "a long row of texts": "select count(distinct repeat('x', 30000000 + range)) from range(1000)",
    "work in the answer": "select timestamptz '2026-01-01' + to_microseconds(range) from range(900000)",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_query_without_end_is_stopped_in_time(ask_apart, what: str):
    """Or refused for its memory before; either way it is gone, and nothing of it runs on."""
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"sql: (stopped after 0\.2 s|Out of Memory)"):
        ask_apart(ENDLESS[what], timeout_seconds=0.2)
    assert time.monotonic() - began < 5
    assert children() == []


def children() -> list[str]:
    """Processes of queries that this process started and that are still there."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("needs /proc")
    pids = " ".join((task / "children").read_text() for task in tasks.iterdir()).split()
    commands = [Path("/proc", pid, "cmdline") for pid in pids]
    return [found for path in commands if path.exists() and "sandbox_child" in (found := path.read_text())]


def test_a_query_that_wants_all_memory_is_refused(ask_apart):
    with pytest.raises(UsageError, match="sql: Out of Memory Error"):
        ask_apart("select string_agg(repeat('x', 1000000), '') from range(10000)", timeout_seconds=30)


def test_nothing_is_spilled_to_disk(ask_apart, home, place: Path):
    before = sorted(home.path.rglob("*"))
    with pytest.raises(UsageError, match=r"sql: (Out of Memory|stopped)"):
        ask_apart("select len(list(range order by hash(range))) from range(200000000)", timeout_seconds=2)
    assert [path.name for path in place.iterdir()] == ["secret.csv"]
    assert sorted(home.path.rglob("*")) == before


def test_a_process_that_is_killed_from_outside_is_an_error_of_its_query_alone(ask_apart, home):
    killer = threading.Thread(target=kill_a_child)
    killer.start()
    with pytest.raises(UsageError, match=r"sql: the query ended its process \(SIGKILL\)"):
        ask_apart(ENDLESS["a range"], timeout_seconds=30)
    killer.join()
    assert ask_apart("select count(*) as n from offer") == [{"n": 2}]


def kill_a_child() -> None:
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        for task in Path("/proc/self/task").iterdir():
            for pid in (task / "children").read_text().split():
                if "sandbox_child" in Path("/proc", pid, "cmdline").read_text():
                    os.kill(int(pid), 9)
                    return
        time.sleep(0.05)


def test_a_query_ends_though_nobody_waits_for_it_any_more(home):
    """Whoever asked was killed; the kernel's timer is the query's own."""
    code = "import sys; from pathlib import Path; from gpuledger.core.store.sandbox import run_query; "
    code += "run_query(Path(sys.argv[1]), sys.argv[2], timeout_seconds=0.3)"
    asker = subprocess.Popen([sys.executable, "-c", code, str(home.path), ENDLESS["a range"]])
    ends_at = time.monotonic() + 20
    children_of = Path(f"/proc/{asker.pid}/task/{asker.pid}/children")
    while not (found := children_of.read_text().split()) and time.monotonic() < ends_at:
        time.sleep(0.02)
    asker.kill()
    asker.wait()
    while Path("/proc", found[0]).exists() and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert not Path("/proc", found[0]).exists()


def test_a_query_has_neither_keys_nor_a_folder_of_modules(ask_apart, home, place: Path, monkeypatch):
    """Nothing of the environment reaches its process, and a module in the working folder is not imported."""
    monkeypatch.setenv("RUNPOD_API_KEY", "hunter2")
    (place / "duckdb.py").write_text("raise SystemExit('hunter2')")
    assert "RUNPOD_API_KEY" not in sandbox._environ()
    assert ask_apart("select 1 as one") == [{"one": 1}]


def test_an_answer_may_hold_values_and_never_code():
    class Code:
        def __reduce__(self):
            return os.getpid, ()

    with pytest.raises(UsageError, match="cannot be shown"):
        sandbox._Answer(io.BytesIO(pickle.dumps({"rows": [Code()]}))).load()


def test_more_rows_than_allowed_are_refused_and_not_cut(ask_apart):
    with pytest.raises(UsageError, match="sql: more than 1000 rows; add a limit"):
        ask_apart("select * from range(1001)", max_rows=1000)
    assert len(ask_apart("select * from range(1000)", max_rows=1000)) == 1000


def test_a_larger_answer_than_allowed_is_refused_and_not_cut(ask_apart):
    with pytest.raises(UsageError, match="sql: an answer of more than 1 MiB; add a limit"):
        ask_apart("select repeat('x', 1000000) from range(2)", max_mib=1)


def test_a_million_rows_is_the_bound(ask_apart):
    with pytest.raises(UsageError, match="sql: more than 1000000 rows"):
        ask_apart("select * from range(1000001)")


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

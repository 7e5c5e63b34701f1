"""Snapshots: numbered, complete, swapped at once, and five of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from gpuledger.core.errors import CorruptError, EmptyLedgerError, OutdatedError, StoreBusyError, StoreError
from gpuledger.core.files import copy_file
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import POINTER, SNAPSHOTS_ON_DISK, current, has_news, reading


def snapshots(books) -> list[str]:
    return sorted(path.name for path in books.home.snapshots.iterdir())


def test_each_publish_makes_the_next_number(books, an_offer):
    books.run(an_offer("a"))
    assert [books.publish() for _ in range(3)] == [1, 2, 3]
    assert current(books.home).name == "prices-000003.duckdb"
    assert books.read("select number, published_at from snapshot") == [(3, books.at)]


def test_a_copy_is_a_file_of_its_own(tmp_path):
    """Where the file system shares the blocks of both until one changes, too."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"price" * 100_000)
    copy_file(first, second)
    with first.open("r+b") as file:
        file.write(b"other")
    assert second.read_bytes() == b"price" * 100_000


def test_what_readers_have_seen_is_no_news(books, an_offer):
    def is_news() -> bool:
        with books.writing() as connection:
            return has_news(books.home, connection)

    books.run(an_offer("a"))
    assert is_news()
    books.publish()
    assert not is_news()
    books.run(an_offer("a"))  # at the same price, yet seen anew
    assert is_news()
    books.publish()
    (books.home.snapshots / POINTER).write_text("broken")
    assert is_news()


def test_five_snapshots_stay(books, an_offer):
    books.run(an_offer("a"))
    for _ in range(SNAPSHOTS_ON_DISK + 2):
        books.publish()
    assert snapshots(books) == [POINTER, *(f"prices-{number:06d}.duckdb" for number in range(3, 8))]


def test_a_reader_keeps_what_it_opened(books, an_offer):
    books.run(an_offer("a", "2.5"))
    books.publish()
    with reading(books.home) as old:
        for amount in ("2.6", "2.7", "2.8", "2.9", "3.0", "3.1"):
            books.run(an_offer("a", amount))
            books.publish()
        assert old.execute("select amount::double from offer_latest").fetchall() == [(2.5,)]
        assert books.read("select amount::double from offer_latest") == [(3.1,)]
    assert "prices-000001.duckdb" not in snapshots(books)


def test_numbers_go_on_after_the_pointer_was_lost(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    (books.home.snapshots / POINTER).unlink()
    assert books.publish() == 2


def test_what_a_killed_publish_left_is_cleared(books, an_offer):
    books.run(an_offer("a"))
    names = ("prices-000001.new", "prices-000001.new.wal", "prices-000009.new", "prices-000009.new.wal")
    for left in names:
        books.home.snapshots.joinpath(left).write_bytes(b"half")
    books.publish()
    assert snapshots(books) == [POINTER, "prices-000001.duckdb"]


def test_a_snapshot_cannot_be_written(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    with reading(books.home) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("delete from offer")


def test_a_snapshot_is_one_file_without_a_log_beside_it(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    with reading(books.home) as connection:
        connection.execute("from offer_latest").fetchall()
        assert [name for name in snapshots(books) if name.endswith((".wal", ".tmp"))] == []


def test_a_snapshot_has_written_down_what_each_offer_is_now(books, an_offer):
    books.run(an_offer("a"), an_offer("b", gpu_label="L4"))
    books.publish()
    books.run(an_offer("a", gpu_memory_gib=94), source="other")
    books.publish()
    assert books.read(
        "select source, sku, gpu_id, gpu_memory_gib::integer, source_kind, is_doubled from offer_described order by all"
    ) == [
        ("other", "a", None, 94, "live", True),
        ("runpod", "a", "h100-sxm-80gb", 80, "live", True),
        ("runpod", "b", "l4-24gb", 24, "live", False),
    ]


def test_each_offer_names_the_source_that_would_see_its_price_anew(books, an_offer):
    """The one that showed it; of a dated list the one that reads such prices, and none for a product of its own."""
    books.run(an_offer("live"))
    dated = [
        an_offer("machine", provider="aws", purchase_option="on_demand"),
        an_offer("spot", provider="aws", purchase_option="spot"),
        an_offer("product", provider="aws", purchase_option="on_demand", tier="sagemaker"),
        an_offer("unread", provider="lambda", purchase_option="reserved", term_months=12),
    ]
    books.run(*dated, source="list")
    books.publish()
    assert books.read("select sku, check_source from offer_latest order by all") == [
        ("live", "runpod"),
        ("machine", "aws_on_demand"),
        ("product", None),
        ("spot", "aws_spot"),
        ("unread", None),
    ]


def test_readers_see_what_every_column_holds_after_each_publish(books, an_offer):
    comments = (
        "select table_name, column_name, comment from duckdb_columns()"
        " where table_name in ('offer_described', 'offer_last_seen', 'offer_latest') order by all"
    )
    books.run(an_offer("a"))
    for _ in range(2):
        books.publish()
        told = books.read(comments)
        assert {table for table, _, _ in told} == {"offer_described", "offer_last_seen", "offer_latest"}
        assert len(told) > 130 and [row for row in told if not row[2]] == []
    assert ("offer_latest", "usd_per_gpu_hour", "The same for one accelerator.") in told


def test_a_snapshot_in_the_ledgers_place_follows_its_offers_again(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    shutil.copyfile(current(books.home), books.home.database)
    books.run(an_offer("a"), an_offer("b"))
    assert books.publish() == 2
    for relation in ("offer_described", "offer_latest", f"offers_as_of(timestamptz '{books.at}')"):
        assert books.read(f"select sku from {relation} order by sku") == [("a",), ("b",)]


def test_a_ledger_whose_offers_were_described_by_a_view_takes_the_table(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    with turn(books.home), writing(books.home) as connection:
        connection.execute("drop table offer_described")
        connection.execute("create view offer_described as select offer_no, sku from offer")
        connection.execute("update ledger_setting set value = 'x' where name in ('relations', 'reference')")
    books.run(an_offer("a"), an_offer("b"))
    books.publish()
    assert books.read("select sku from offer_described order by sku") == [("a",), ("b",)]


def test_nothing_published_yet_says_what_to_do(home: Home):
    with pytest.raises(EmptyLedgerError, match="run `gpuledger refresh` first"):
        current(home)


POINTERS = {
    "another file": b"../ledger.duckdb\n",
    "a path": b"prices-000001/../../x.duckdb",
    "nothing": b"",
    "other words": b"the newest one",
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("what", POINTERS)
def test_a_pointer_to_no_snapshot_is_corrupt(books, an_offer, what: str):
    books.run(an_offer("a"))
    books.publish()
    (books.home.snapshots / POINTER).write_bytes(POINTERS[what])
    with pytest.raises(CorruptError, match=POINTER):
        books.read("select 1")


BODIES = {"nothing": b"", "other bytes": b"not a database" * 1000}


@pytest.mark.parametrize("what", BODIES)
def test_a_broken_snapshot_is_named(books, an_offer, what: str):
    books.run(an_offer("a"))
    books.publish()
    current(books.home).write_bytes(BODIES[what])
    with pytest.raises(CorruptError, match=r"prices-000001\.duckdb"):
        books.read("select count(*) from offer")


def test_a_snapshot_that_is_gone_is_named(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    current(books.home).unlink()
    with pytest.raises(CorruptError, match=r"prices-000001\.duckdb"):
        books.read("select 1")


def test_a_reader_whose_snapshot_was_pruned_takes_the_next(books, an_offer, monkeypatch: pytest.MonkeyPatch):
    """Between reading the pointer and opening the file, other publishes may have come."""
    from gpuledger.core.store import publish

    books.run(an_offer("a"))
    books.publish()
    late = [books.home.snapshots / "prices-000000.duckdb"]
    real = publish.current
    monkeypatch.setattr(publish, "current", lambda home: late.pop() if late else real(home))
    assert books.read("select number from snapshot") == [(1,)]


def test_a_name_that_is_taken_by_a_folder_keeps_the_last_snapshot(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    blocker = books.home.snapshots / "prices-000002.new"
    blocker.mkdir()
    with pytest.raises(StoreError, match="cannot publish"):
        books.publish()
    blocker.rmdir()
    assert books.read("select number from snapshot") == [(1,)]


def test_the_home_is_its_owners_alone(books, an_offer):
    books.run(an_offer("a"))
    assert books.home.path.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="as the ledger's home"):
        Home(tmp_path / "file" / "home").create()


HOLD = """
import sys, time
from pathlib import Path
from gpuledger.core.store.database import turn
from gpuledger.core.store.home import Home
with turn(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_writers_of_several_processes_take_turns(home: Home):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "held\n"
        held = r"another writer has held .*writer\.lock for 0\.05 s"
        with pytest.raises(StoreBusyError, match=held), turn(home, wait_seconds=0.05):
            pass
    finally:
        holder.communicate()
    with turn(home, wait_seconds=0.05):
        assert holder.returncode == 0


def test_the_turn_of_a_killed_writer_is_free(home: Home):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    with turn(home, wait_seconds=1):
        assert home.lock.exists()


def test_a_snapshot_of_another_duckdb_says_which_and_is_made_anew(books, an_offer):
    """A file keeps its views as the DuckDB that made them parsed them, which another cannot always read."""
    books.run(an_offer("a"))
    with turn(books.home), writing(books.home) as connection:
        connection.execute("update ledger_setting set value = '0.9.1' where name = 'duckdb'")
        connection.execute("update ledger_setting set value = 'x' where name in ('relations', 'reference')")
    books.publish()
    with pytest.raises(
        OutdatedError, match=rf"DuckDB 0\.9\.1 and this is {duckdb.__version__}.*gpuledger publish"
    ):
        books.read("select 1")
    with books.writing():
        pass
    books.publish()
    assert books.read("select count(*) from offer_latest") == [(1,)]


def test_what_duckdb_refuses_is_one_line(books, an_offer):
    books.run(an_offer("a"))
    books.publish()
    with pytest.raises(StoreError, match=r"cannot read the snapshot .*no_such_table does not exist!$"):
        books.read("from no_such_table")
    with pytest.raises(StoreError, match=r"cannot write .*no_such_table does not exist!$"):
        books.ask("from no_such_table")

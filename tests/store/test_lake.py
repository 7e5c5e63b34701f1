"""A ledger that several machines share: each is here a home of its own that follows one lake."""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from gpuledger.core.alias import Aliases
from gpuledger.core.config import LakeAddress, lake_address
from gpuledger.core.errors import MigrationError, NotMountedError, StoreBusyError, StoreError
from gpuledger.core.store import catalogue, sql
from gpuledger.core.store.catalogue import WITH_EXTENSIONS, hang_up, turn_at
from gpuledger.core.store.database import turn, turn_of_source, writing
from gpuledger.core.store.record import record
from gpuledger.core.store.shared import lake, marker
from gpuledger.core.store.shared.compaction import maintain
from gpuledger.core.store.shared.follow import follow, recording
from gpuledger.core.store.shared.lake import close, open_lake
from gpuledger.core.store.shared.move import contents_of_lake, contents_of_ledger, fill
from tests.machines import assert_a_new_machine_sees_the_same
from tests.s3 import bucket_server

pytestmark = pytest.mark.shared_store


@pytest.fixture
def home(lake_home):
    """Only the shared store."""
    return lake_home


def in_lake(books, query: str) -> list[tuple]:
    with books.writing() as connection, open_lake(books.home.lake, connection) as lake:
        return lake.execute(query).fetchall()


def test_two_machines_record_one_source_in_turn(books, an_offer, machine, tmp_path):
    other = machine("other")
    books.run(an_offer("a", "2.5"), an_offer("b", "3"))
    other.run(an_offer("a", "2.6"), at=books.at + timedelta(hours=1))
    done = books.run(an_offer("a", "2.6"), at=books.at + timedelta(hours=2))
    assert (done.changes, done.withdrawn) == (1, 1), "the first absence was seen by the other machine"
    assert_a_new_machine_sees_the_same(books.home, tmp_path / "third", books.bring)


def test_a_refresh_that_sees_the_same_on_another_machine_writes_no_price_stock_or_shape(
    books, an_offer, machine
):
    shape = {"vcpus": 26, "memory_gib": 225, "gpu_memory_gib": 80, "min_gpus": 1, "network": "IB"}
    books.run(an_offer("a", "2.5", **shape), an_offer("b", availability="sold_out"))
    other = machine("other")
    other.run(an_offer("a", "2.5", **shape), an_offer("b", availability="sold_out"))
    counts = [f"(select count(*) from lake.{table})" for table in ("offer", "price_change", "stock_change")]
    assert in_lake(books, f"select {', '.join(counts)}") == [(2, 2, 2)]


def test_a_shape_that_one_machine_sees_change_changes_everywhere(books, an_offer, machine):
    books.run(an_offer("a", vcpus=26))
    other = machine("other")
    other.run(an_offer("a", vcpus=52))
    assert books.ask("select vcpus::integer from offer") == [(52,)]


def test_a_list_corrected_on_one_machine_is_corrected_on_all(books, an_offer, machine, tmp_path):
    seen = {"observed_at": books.at}
    books.run(an_offer("a", "2.5", **seen), an_offer("b", "2", **seen), source="list")
    other = machine("other")
    other.run(an_offer("a", "2.2", **seen), an_offer("b", "2.9", **seen), source="list")
    expected = [("a", 2.2), ("b", 2.0)]
    for one in (books, other):
        assert one.ask("select sku, amount::double from price_history order by sku") == expected
    assert_a_new_machine_sees_the_same(books.home, tmp_path / "third", books.bring)


def test_the_lake_itself_has_the_current_state(books, an_offer):
    books.run(an_offer("a", "2.5"), an_offer("b", "3"))
    books.run(an_offer("a", "2.6", availability="limited"))
    books.run(an_offer("a", "2.6", availability="limited"))
    assert in_lake(books, "select amount::double, availability from lake.offer_current order by amount") == [
        (2.6, "limited"),
        (None, "unlisted"),
    ]


def test_a_steady_refresh_writes_no_file(books, an_offer):
    books.run(*(an_offer(f"sku-{number}") for number in range(200)))
    lake = Path(books.home.lake.data)
    before = set(lake.rglob("*.parquet"))
    assert before
    books.run(an_offer("sku-0", "2.7"), *(an_offer(f"sku-{number}") for number in range(1, 200)))
    assert set(lake.rglob("*.parquet")) == before


def test_parquet_may_lie_in_s3(books, an_offer, postgres, tmp_path, monkeypatch):
    for name, value in (("ACCESS_KEY_ID", "one"), ("SECRET_ACCESS_KEY", "two"), ("REGION", "eu-west-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with bucket_server() as bucket:
        place = f"data=s3://bucket/gpus&archive={tmp_path}/archive&endpoint={bucket.url}&schema=in_s3"
        address = lake_address(f"ducklake:postgres://gpuledger@127.0.0.1:{postgres.port}/postgres?{place}")
        books.home = replace(books.home, lake=address)
        for amount in (2.5, 2.6):
            books.run(*(an_offer(f"sku-{number}", amount) for number in range(150)))
        assert_a_new_machine_sees_the_same(books.home, tmp_path / "another", books.bring)
        assert any(path.startswith("bucket/gpus/parquet/main/price_change/") for path in bucket.objects)
        close(address)
        hang_up(address)


def test_maintenance_changes_no_answer(books, an_offer, machine, tmp_path):
    away = machine("away")
    for amount in (2.5, 2.6, 2.7):
        books.run(*(an_offer(f"sku-{number}", amount) for number in range(150)))
    away.ask("select 1")
    books.run(an_offer("sku-0", "2.8"))
    with turn(books.home), writing(books.home) as connection:
        before = contents_of_lake(books.home.lake, connection)
        assert maintain(books.home.lake, connection) > 0
        with open_lake(books.home.lake, connection) as lake:
            lake.execute("call ducklake_expire_snapshots('lake', older_than => now())")
            lake.execute("call ducklake_cleanup_old_files('lake', cleanup_all => true)")
        assert contents_of_lake(books.home.lake, connection) == before
    away.run(an_offer("sku-1", "2.9"), at=books.at + timedelta(hours=1))
    books.ask("select 1")
    assert_a_new_machine_sees_the_same(away.home, tmp_path / "third", books.bring)


def test_a_run_that_two_machines_recorded_counts_once(books, an_offer, machine, tmp_path):
    """Turns forbid it; should it happen all the same, the first commit is the run."""
    books.run(an_offer("a", "2.5"), an_offer("b", "3", observed_at=books.at), source="list")
    tables = ("scrape_run", "document", "offer", "price_change")
    in_lake(
        books,
        "begin; " + "; ".join(f"insert into lake.{table} from lake.{table}" for table in tables) + "; commit",
    )
    assert in_lake(books, "select count(*) from lake.scrape_run") == [(2,)]
    assert_a_new_machine_sees_the_same(books.home, tmp_path / "third", books.bring)


def test_what_cannot_be_appended_is_not_recorded_either(books, an_offer):
    books.run(an_offer("a"))
    batch = books.batch(an_offer("a", "2.6"))
    aliases = Aliases(books.aliases)
    with (
        books.writing() as connection,
        recording(books.home, connection, aliases, "runpod") as share,
        pytest.raises(StoreError, match="cannot use the shared store"),
    ):
        connection.execute("alter table stock_change add column more varchar")
        connection.execute(sql.text("lake/form"))
        assert share is not None
        record(connection, batch, aliases, share=lambda run_no: (broken(connection), share(run_no)))
    assert books.ask("select count(*) from scrape_run") == [(1,)]
    assert in_lake(books, "select count(*) from lake.scrape_run") == [(1,)]


def broken(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create or replace temp view form_skipped_row as select *, 1 as no_such_column from form_scrape_run"
    )


def test_a_lake_that_was_written_anew_is_taken_from_the_start(books, an_offer, machine):
    books.run(an_offer("a", "2.5"))
    other = machine("other")
    other.ask("select 1")
    with books.writing() as connection:
        connection.execute("update price_change set amount = 2; update offer_current set amount = 2")
        follow(connection, fill(books.home.lake, connection, anew=True))
    books.run(an_offer("a", "2"))
    assert other.ask("select amount::double from price_history") == [(2.0,)]
    assert (
        books.ask("select count(*) from scrape_run") == other.ask("select count(*) from scrape_run") == [(2,)]
    )


def test_a_home_with_a_ledger_of_its_own_does_not_follow_a_lake(books, an_offer):
    shared, books.home = books.home, replace(books.home, lake=None)
    books.run(an_offer("a"))
    books.home = replace(shared, path=books.home.path)
    (books.home.archive).mkdir(exist_ok=True)
    with pytest.raises(StoreError, match="holds a ledger of its own: `gpuledger migrate-store` moves it"):
        books.ask("select 1")


def test_a_home_that_follows_a_lake_is_not_written_as_one_of_its_own(books, an_offer):
    books.run(an_offer("a"))
    books.home = replace(books.home, lake=None)
    with pytest.raises(StoreError, match="follows a shared store: set GPULEDGER_STORE"):
        books.ask("select 1")


def test_machines_that_start_at_once_make_one_lake(books, an_offer, machine, postgres, tmp_path):
    books.home = replace(books.home, lake=postgres.lake(tmp_path / "new"))
    machines = [machine(f"machine-{number}") for number in range(3)]
    failed: list[BaseException] = []

    def first_run(one, source: str) -> None:
        try:
            one.run(an_offer("a"), source=source)
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=first_run, args=(one, source))
        for one, source in zip(machines, ("runpod", "other", "list"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(machines[0].ask("select source from scrape_run")) == [("list",), ("other",), ("runpod",)]
    hang_up(books.home.lake)


def test_a_lake_of_a_newer_release_is_refused(books):
    in_lake(books, "update lake.ledger_setting set value = 'migrations/9999_future' where name = 'release'")
    with pytest.raises(
        MigrationError, match="9999_future, which this machine's release does not know: upgrade gpuledger"
    ):
        books.ask("select 1")


def test_a_column_of_a_newer_release_is_added_to_the_lake(books, an_offer, machine, monkeypatch):
    books.run(an_offer("a"))
    in_lake(books, "alter table lake.document drop column content_type")
    in_lake(books, "update lake.ledger_setting set value = 'migrations/0000' where name = 'release'")
    books.run(an_offer("a", "2.6"))
    assert in_lake(books, "select content_type is null from lake.document order by snapshot_id") == [
        (True,),
        (False,),
    ]
    assert in_lake(books, "select value from lake.ledger_setting where name = 'release'") == [
        (sql.files("migrations")[-1],)
    ]


def test_the_turn_of_a_source_holds_on_all_machines(books, machine):
    other = machine("other")
    with turn_of_source(books.home, "runpod"):
        with (
            pytest.raises(
                StoreBusyError,
                match=r"another refresh of runpod has held the turn of fetch/runpod for 0\.1 s",
            ),
            turn_of_source(other.home, "runpod", wait_seconds=0.1),
        ):
            pass
        with turn_of_source(other.home, "other", wait_seconds=0.1):
            pass
    with turn_of_source(other.home, "runpod", wait_seconds=0.1):
        pass


def test_whoever_rewrites_the_lake_waits_for_recorders(books):
    with books.writing() as connection, recording(books.home, connection, Aliases(()), "runpod"):  # noqa: SIM117
        with (
            pytest.raises(StoreBusyError, match="whoever records"),
            turn_at(books.home.lake, "everything", wait_seconds=0.1, whose="whoever records"),
        ):
            pass


def test_a_turn_that_a_restart_gave_back_is_noticed(postgres, home):
    with turn_at(home.lake, "record/runpod", wait_seconds=1, whose="nobody") as held:
        held.check()
        postgres.restart()
        with pytest.raises(StoreError, match="the turn of record/runpod was lost"):
            held.check()
    with turn_at(home.lake, "record/runpod", wait_seconds=1, whose="nobody") as held:
        held.check()


@pytest.mark.parametrize("failures", [1, 2])
def test_a_server_that_is_away_for_a_moment_makes_no_other_lake(books, an_offer, monkeypatch, failures):
    """The session that attaches fails while those of the turns are answered, as in the moment of a restart."""
    books.run(an_offer("a", "2.5"))
    address = books.home.lake
    folders = [Path(address.data), address.archive]
    before = [marker.read_marker(folder) for folder in folders]
    close(address)
    left, libpq = [failures], lake.libpq

    def away(where: LakeAddress) -> str:
        left[0] -= 1
        return libpq(replace(where, port=1) if left[0] >= 0 else where)

    monkeypatch.setattr(lake, "libpq", away)
    with books.writing() as connection, open_lake(address, connection) as there:
        assert lake.store_id(there) == before[0]
    assert [marker.read_marker(folder) for folder in folders] == before
    assert left[0] < 0


def test_a_catalogue_that_does_not_answer_is_named(home, monkeypatch):
    monkeypatch.setattr(catalogue, "SERVER_RETURNS_WITHIN_SECONDS", 0.1)
    nowhere = replace(home.lake, port=1)
    with (
        pytest.raises(StoreError, match=r"cannot use the shared store at postgres://127\.0\.0\.1:1/lake_\d+"),
        turn_at(nowhere, "record/runpod", wait_seconds=1, whose="nobody"),
    ):
        pass


def test_a_shared_folder_that_is_not_mounted_is_named(books, an_offer, tmp_path):
    books.run(an_offer("a"))
    elsewhere = tmp_path / "not-mounted" / "archive"
    gone = replace(books.home, path=tmp_path / "other", lake=replace(books.home.lake, archive=elsewhere))
    gone.create()
    with pytest.raises(NotMountedError, match="not-mounted/archive"), turn(gone), writing(gone) as connection:
        # the marks are compared when the store is reached
        lake.close(gone.lake)
        with lake.open_lake(gone.lake, connection):
            pass
    assert not (tmp_path / "not-mounted").exists()


def test_a_catalogue_that_refuses_to_be_made_leaves_no_folders(books, postgres, tmp_path):
    postgres.run("create role only_reads login")
    (tmp_path / "share").mkdir()
    at = postgres.lake(tmp_path / "share" / "store")
    refused = replace(at, user="only_reads", archive=tmp_path / "share" / "store" / "archive")
    before = sorted((tmp_path / "share").rglob("*"))
    try:
        with (
            books.writing() as connection,
            pytest.raises(StoreError, match="permission denied"),
            open_lake(refused, connection),
        ):
            pass
        assert sorted((tmp_path / "share").rglob("*")) == before
    finally:
        hang_up(refused)
        postgres.run("drop role only_reads")


def test_the_signatures_of_the_extensions_are_checked_and_hold(books, monkeypatch):
    monkeypatch.delitem(WITH_EXTENSIONS, "allow_unsigned_extensions")
    assert in_lake(books, "select current_setting('allow_unsigned_extensions')") == [(False,)]


def test_a_duckdb_without_these_extensions_is_told_so(monkeypatch):
    monkeypatch.setattr(duckdb, "__version__", "2.0.0")
    with (
        duckdb.connect() as connection,
        pytest.raises(
            StoreError, match=r"ducklake is made for v1\.5\.5 and this is v2\.0\.0.*'gpuledger\[scale\]'"
        ),
    ):
        catalogue.load(connection, "ducklake")


def test_an_installation_without_the_extra_is_told_so(monkeypatch):
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    with (
        duckdb.connect() as connection,
        pytest.raises(
            StoreError, match=r"needs DuckDB's extension ducklake: pip install 'gpuledger\[scale\]'"
        ),
    ):
        catalogue.load(connection, "ducklake")


def test_both_sides_of_a_lake_are_described_alike(books, an_offer):
    books.run(an_offer("a"), an_offer("b"))
    address: LakeAddress = books.home.lake
    with books.writing() as connection:
        held, kept = contents_of_lake(address, connection), contents_of_ledger(connection)
        assert held == kept
        assert {content.table: content.rows for content in kept}["offer"] == 2
        connection.execute("update price_change set amount = amount + 0.000001 where offer_no = 1")
        changed = [
            one.table for one, other in zip(held, contents_of_ledger(connection), strict=True) if one != other
        ]
    assert changed == ["price_change"]

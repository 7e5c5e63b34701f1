"""A ledger into a shared store and out of it again: the same prices, the same bytes, and a proof that is printed."""

import json
from dataclasses import replace

import pytest

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import CorruptError, StoreError, UsageError
from gpuledger.core.store import catalogue
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.core.store.shared import lake
from gpuledger.flows.compact import compact_ledger
from gpuledger.flows.move_store import move_store
from gpuledger.flows.pipeline import LedgerWriter, refresh_sources
from gpuledger.flows.replay import price_history, replay

pytestmark = pytest.mark.shared_store


@pytest.fixture
def address(postgres, tmp_path):
    made = postgres.empty_lake(tmp_path / "shared")
    yield made
    lake.close(made)
    catalogue.hang_up(made)


def at(ledger: LedgerWriter, home: Home) -> LedgerWriter:
    return replace(ledger, home=home)


@pytest.fixture
def moved(world, listing, address: LakeAddress, tmp_path):
    """A ledger with a withdrawal, a failed run and a stock change, and the machine that follows its copy."""
    world.refresh(listing(a=2.5, b=3, c=4))
    world.refresh(b"<html>")
    world.refresh(listing(a=2.6, b=(3, "sold_out")))
    world.refresh(listing(a=2.6, b=3))
    before = world.ledger
    report = move_store(before, at(before, replace(before.home, lake=address)))
    after = at(before, Home(tmp_path / "machine", lake=address))
    after.home.create()
    return before, after, report


def test_both_stores_hold_the_same_tables_and_the_same_history(moved):
    before, after, report = moved
    assert all(one.is_equal for one in report.compared)
    rows = {one.table: one.rows_to for one in report.compared}
    assert rows | {"document": 4, "offer": 3, "price_change": 5, "scrape_run": 4, "stock_change": 6} == rows
    assert price_history(after) == price_history(before)
    assert replay(after, keep=False).added == 0


def test_the_archive_moves_along(moved):
    before, after, report = moved
    assert report.documents == 4
    for manifest in before.archive.manifests():
        assert after.archive.documents(manifest) == before.archive.documents(manifest)
        assert after.archive.manifest(manifest.run_id) == manifest


def test_the_old_ledger_stays_one_of_its_own(moved, world, listing):
    assert world.refresh(listing(a=2.7, b=3)).runs[0].outcome == "accepted"
    assert world.prices()["a"] == "2.7"


def test_a_machine_that_follows_the_copy_goes_on_where_the_old_ledger_was(moved, world, listing):
    _, after, _ = moved
    world.clock.forward(hours=1)
    world.provider.always(listing(a=2.6, b=3))
    (run,) = refresh_sources(after, after.sources, world.fetcher).runs
    assert (run.outcome, run.changes, run.new_offers) == ("accepted", 0, 0)


def test_a_ledger_comes_back_out_of_a_shared_store(moved, tmp_path):
    before, after, _ = moved
    back = at(before, Home(tmp_path / "back"))
    report = move_store(after, back)
    assert all(one.is_equal for one in report.compared)
    assert price_history(back) == price_history(before)
    with reading(back.home) as connection:
        assert connection.execute("select count(*) from offer_latest").fetchone() == (2,)


def test_compacting_a_shared_store_gathers_its_files_and_changes_no_price(moved, world, listing):
    _, after, _ = moved
    compact_ledger(after)
    world.clock.forward(hours=1)
    world.provider.always(listing(a=2.7, b=3.1))
    refresh_sources(after, after.sources, world.fetcher)
    history = price_history(after)
    assert compact_ledger(after).merged_files > 0, "one file for each of two days"
    assert price_history(after) == history
    assert replay(after, keep=False).added == 0


def test_a_store_that_is_not_empty_is_left_alone(moved, tmp_path):
    before, after, _ = moved
    with pytest.raises(StoreError, match="holds 4 runs already"):
        move_store(before, after)
    with pytest.raises(StoreError, match=r"ledger\.duckdb is there already; a move needs an empty home"):
        move_store(after, before)


def test_between_two_stores_of_one_kind_nothing_is_moved(moved, tmp_path):
    before, _, _ = moved
    with pytest.raises(UsageError, match="between a home and a shared store"):
        move_store(before, at(before, Home(tmp_path / "other")))


def test_broken_bytes_stop_a_move(world, listing, address):
    world.refresh(listing(a=2.5, b=3))
    (document,) = world.ledger.home.archive.glob("[0-9a-f][0-9a-f]/*.zst")
    document.write_bytes(document.read_bytes()[:-3])
    with pytest.raises(CorruptError, match=document.name):
        move_store(world.ledger, at(world.ledger, replace(world.ledger.home, lake=address)))


def test_a_difference_is_an_error_that_names_it(world, listing, address, monkeypatch):
    """What would have to go wrong: one price is other in the copy."""
    import gpuledger.flows.move_store

    world.refresh(listing(a=2.5, b=3))
    fill = gpuledger.flows.move_store.fill

    def fill_badly(address: LakeAddress, connection) -> tuple[str, int]:
        written = fill(address, connection)
        with lake.open_lake(address, connection) as there:
            there.execute("update lake.price_change set amount = 9 where amount = 3")
        return written

    monkeypatch.setattr(gpuledger.flows.move_store, "fill", fill_badly)
    with pytest.raises(StoreError, match=r"the stores differ, so keep the old one: .*price_change"):
        move_store(world.ledger, at(world.ledger, replace(world.ledger.home, lake=address)))


def test_the_command_prints_both_sides(postgres, tmp_path, monkeypatch, capsys):
    """The bundled list, in and out again, by the settings that a person writes."""
    from gpuledger.cli.main import main

    def gpuledger(home: str, store: str, *words: str) -> list[dict]:
        monkeypatch.setenv("GPULEDGER_HOME", str(tmp_path / home))
        monkeypatch.setenv("GPULEDGER_STORE", store)
        monkeypatch.setattr("sys.argv", ["gpuledger", *words, "--format", "jsonl"])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code in (0, None), said.err
        return [json.loads(line) for line in said.out.splitlines()]

    shared = postgres.store("postgres", tmp_path / "shared", schema="moved")
    (tmp_path / "shared").mkdir()
    cheapest = gpuledger("one", "duckdb", "cheapest", "H100-SXM", "--as-of", "2026-03-15")
    into = gpuledger("one", "duckdb", "migrate-store", "duckdb", shared)
    assert {row["table"] for row in into} == set(lake.TABLES)
    assert all((row["rows_from"], row["digest_from"]) == (row["rows_to"], row["digest_to"]) for row in into)
    published = gpuledger("two", shared, "publish")
    assert gpuledger("two", shared, "cheapest", "H100-SXM", "--as-of", "2026-03-15") == cheapest
    assert gpuledger("two", shared, "publish") == published, "nothing new: no other snapshot"
    out = gpuledger("three", "duckdb", "migrate-store", shared, "duckdb")
    assert [row["digest_to"] for row in out] == [row["digest_from"] for row in into]
    assert gpuledger("three", "duckdb", "cheapest", "H100-SXM", "--as-of", "2026-03-15") == cheapest
    with turn(Home(tmp_path / "three")), writing(Home(tmp_path / "three")) as connection:
        assert connection.execute(
            "select count(*) from ledger_setting where name like 'lake%'"
        ).fetchone() == (0,)


@pytest.mark.usefixtures("moved")
def test_the_first_question_on_a_new_machine_is_answered_from_the_shared_store(
    address, monkeypatch, capsys, tmp_path
):
    from gpuledger.cli.main import main

    monkeypatch.setenv("GPULEDGER_HOME", str(tmp_path / "reader"))
    place = f"postgres://gpuledger@127.0.0.1:{address.port}/{address.database}"
    store = f"ducklake:{place}?data={address.data}&archive={address.archive}&schema={address.schema}"
    monkeypatch.setenv("GPULEDGER_STORE", store)
    # the live prices are of October; what lists say since then stands in their place in an answer about now
    recorded = ("sql", "select distinct sku from price_history where source = 'runpod'")
    for words in (("offers", "--provider", "runpod"), recorded, ("status",), ("audit",)):
        monkeypatch.setattr("sys.argv", ["gpuledger", *words, "--format", "jsonl"])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        rows = [json.loads(line) for line in said.out.splitlines()]
        assert rows, said.err
        assert [row for row in rows if row.get("state") == "broken"] == []
        if words[0] in ("offers", "sql"):
            assert ended.value.code in (0, None)
        if words[0] == "sql":
            assert {row["sku"] for row in rows} >= {"a", "b"}

"""A ledger that contradicts itself is not published: each check against the damage it is named for."""

import shutil
from copy import copy
from dataclasses import replace

import pytest

from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql

DAMAGE = {
    "current_is_the_last_of_the_logs": [
        "update offer_current set amount = 9 where offer_no = 1",
        "update offer_current set currency = 'EUR' where offer_no = 1",
        "update offer_current set availability = 'sold_out' where offer_no = 1",
        "update offer_current set changed_at = changed_at + interval 1 second where offer_no = 1",
        "update offer_current set amount = null where offer_no = 1",
        "delete from offer_current where offer_no = 1",
        "insert into offer_current select * replace (99 as offer_no) from offer_current where offer_no = 1",
        "delete from price_change where offer_no = 1",
        "insert into stock_change values ('2027-01-01', 1, 'sold_out', 1)",
    ],
    "every_price_has_a_document": [
        "delete from document where document_no = 1",
        "update price_change set document_no = null where offer_no = 1;"
        " update offer_current set document_no = null where offer_no = 1",
    ],
    "one_offer_per_identity": [
        "insert into offer select * replace (99 as offer_no) from offer where offer_no = 1",
        "insert into offer select * from offer where offer_no = 1",
    ],
    "one_price_per_offer_and_time": [
        "insert into price_change select * from price_change where offer_no = 1",
        "insert into price_change select * replace (7 as amount) from price_change where offer_no = 1",
    ],
}


@pytest.fixture(scope="module", params=["duckdb", pytest.param("ducklake", marks=pytest.mark.shared_store)])
def written(request, tmp_path_factory, books_in, an_offer):
    books = books_in(tmp_path_factory.mktemp("written"), request.param)
    books.run(an_offer("a", "2.5"), an_offer("b", "3"))
    books.run(an_offer("a", "2.6"), an_offer("b", "3", availability="sold_out"))
    books.publish()
    return books


@pytest.fixture
def two_runs(written, tmp_path):
    """A copy of one ledger, for each test to damage; in a shared store, of what one machine keeps."""
    books = copy(written)
    books.home = replace(written.home, path=tmp_path / "home")
    shutil.copytree(written.home.path, books.home.path)
    return books


def test_a_healthy_ledger_is_published(two_runs):
    assert two_runs.publish() == 2


def test_every_check_has_its_damage():
    assert {name.rpartition("/")[2] for name in sql.files("checks")} == set(DAMAGE)


@pytest.mark.parametrize(
    ("check", "damage"), [(check, one) for check, many in DAMAGE.items() for one in many]
)
def test_damage_is_found_before_readers_see_it(two_runs, check, damage):
    two_runs.ask(damage)
    with pytest.raises(StoreError, match="not published: sql/checks/") as caught:
        two_runs.publish()
    found = [name for name in sql.files("checks") if two_runs.ask(sql.text(name))]
    assert f"checks/{check}" in found
    assert "sql/checks/" in str(caught.value)
    assert two_runs.read("select number from snapshot") == [(1,)]


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_price_of_zero_cannot_be_written(two_runs, amount):
    with pytest.raises(StoreError, match="CHECK constraint failed"):
        two_runs.ask(f"update price_change set amount = {amount} where offer_no = 1")

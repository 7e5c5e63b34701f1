"""Spot prices that a provider sets as a share of its on-demand prices are marked; those that a market finds are not."""

import duckdb
import pytest

from gpuledger.core.alias import Aliases
from gpuledger.core.store import sql
from gpuledger.core.store.index_days import administered_spot
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.publish import write_latest
from gpuledger.core.store.record import record
from tests.store.conftest import an_offer

H100 = ("h100-sxm-80gb",)
PLACES = ("us-east", "us-west", "europe", "asia")


@pytest.fixture(scope="module")
def empty(books_in, tmp_path_factory):
    books = books_in(tmp_path_factory.mktemp("administered"))
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection, sources=books.sources, aliases=books.aliases)
        yield books, connection


def marked(empty, shares: dict[str, float]) -> list[str]:
    """What is said where each place has an on-demand price of its own, and spot at that share of it."""
    books, connection = empty
    for table in ("scrape_run", "document", "offer", "price_change", "stock_change", "offer_current"):
        connection.execute(f"delete from {table}")
    offers = []
    for number, (place, share) in enumerate(shares.items()):
        listed = 3 + number / 7
        more = {"region": place, "instance_type": "h100"}
        offers.append(an_offer("a", round(listed, 6), **more))
        offers.append(an_offer("a", round(listed * share, 6), purchase_option="spot", **more))
    record(connection, books.batch(*offers), Aliases(books.aliases))
    write_latest(connection)
    connection.execute("delete from snapshot")
    connection.execute(sql.text("publish/30_snapshot"), {"number": 1, "published_at": books.at})
    return administered_spot(connection, H100)


def test_one_share_everywhere_is_administered(empty):
    assert marked(empty, dict.fromkeys(PLACES, 0.4)) == [
        "spot of runpod is administered: 0.4 of its on-demand price in 4 pairs of offers"
    ]


def test_shares_that_differ_are_a_market(empty):
    assert marked(empty, dict(zip(PLACES, (0.4, 0.5, 0.35, 0.6), strict=True))) == []


def test_two_pairs_tell_nothing(empty):
    assert marked(empty, dict.fromkeys(PLACES[:2], 0.4)) == []

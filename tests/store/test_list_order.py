"""Lists that date their own rows: whatever order they arrive in, the history is the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.alias import Aliases
from gpuledger.core.offer import Offer
from gpuledger.core.store import sql
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.record import record
from tests.depth import examples

DAY_ONE = datetime(2024, 1, 1, tzinfo=UTC)
HISTORY = "select * exclude (run_no, document_no) from price_history order by source, offer_id, valid_from"

# few offers, days and amounts, so that gaps, repeats and disagreements are frequent
OBSERVATIONS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=14
)


@st.composite
def _lists(draw: st.DrawFn) -> list[list[Any]]:
    """Observations in any order, cut into lists anywhere; each list says one price per offer and day."""
    shuffled = draw(st.permutations(draw(OBSERVATIONS)))
    cuts = [0, *sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=4))), len(shuffled)]
    lists = [shuffled[low:high] for low, high in pairwise(cuts) if high > low]
    return [list({(sku, day): (sku, day, amount) for sku, day, amount in one}.values()) for one in lists]


def _dated(an_offer: Any, observations: list[Any]) -> list[Offer]:
    return [
        an_offer(sku, amount, observed_at=DAY_ONE + timedelta(days=day), availability="unknown")
        for sku, day, amount in observations
    ]


@pytest.fixture(scope="module")
def shelf(books_in, tmp_path_factory):
    return books_in(tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def connection(shelf) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        migrate(made, sources=shelf.sources, aliases=shelf.aliases)
        yield made


def _imported(
    connection: duckdb.DuckDBPyConnection, books: Any, an_offer: Any, lists: list[list[Any]]
) -> list[tuple[Any, ...]]:
    for table in (
        *("scrape_run", "document", "offer", "price_change", "stock_change", "offer_current"),
        *("dated_price", "price_list"),
    ):
        connection.execute(f"delete from {table}")
    for observations in lists:
        record(
            connection, books.batch(*_dated(an_offer, observations), source="list"), Aliases(books.aliases)
        )
    for name in sql.files("checks"):
        assert connection.execute(sql.text(name)).fetchall() == [], name
    return connection.execute(HISTORY).fetchall()


@settings(max_examples=examples(12), deadline=None)
@given(_lists())
def test_any_order_and_any_split_give_the_same_history(connection, shelf, an_offer, lists: list[list[Any]]):
    # Two prices of one offer on one day: the lower one stands, whichever list comes first.
    lowest: dict[Any, int] = {}
    for sku, day, amount in (row for one in lists for row in one):
        lowest[sku, day] = min(amount, lowest.get((sku, day), amount))
    at_once = [[(sku, day, amount) for (sku, day), amount in lowest.items()]]
    forwards = _imported(connection, shelf, an_offer, lists)
    assert forwards == _imported(connection, shelf, an_offer, lists[::-1])
    assert forwards == _imported(connection, shelf, an_offer, at_once)


def test_a_late_list_fills_the_gap_of_an_early_one(books, an_offer):
    def dated(day: int, amount: str) -> Offer:
        return an_offer("a", amount, observed_at=DAY_ONE + timedelta(days=day))

    books.run(dated(0, "2.5"), dated(4, "2.0"), source="list")
    books.run(dated(2, "3.0"), source="list")
    assert books.ask("select amount, valid_to - valid_from from price_history order by valid_from") == [
        (Decimal("2.5"), timedelta(days=2)),
        (Decimal("3.0"), timedelta(days=2)),
        # seen once, and never again in the years until the last run
        (Decimal("2.0"), timedelta(days=180)),
    ]


def test_a_list_that_is_imported_again_adds_nothing(books, an_offer):
    rows = [
        an_offer("a", amount, observed_at=DAY_ONE + timedelta(days=day))
        for day, amount in enumerate((3, 2, 2))
    ]
    books.run(*rows, source="list")
    before = books.ask(HISTORY)
    assert books.run(*rows, source="list").changes == 0
    assert books.ask(HISTORY) == before


@pytest.mark.recovery
def test_absence_from_a_list_says_nothing(books, an_offer):
    for sku in ("a", "b", "c"):
        books.run(an_offer(sku, observed_at=DAY_ONE), source="list")
    books.publish()
    assert books.read("select sku from offer_last_seen order by sku") == [("a",), ("b",), ("c",)]


def test_a_live_source_that_saw_an_offer_as_late_goes_before_a_list(books, an_offer):
    books.run(an_offer("a", "2.5"), at=DAY_ONE)
    books.run(an_offer("a", "2.4", observed_at=DAY_ONE), source="list")
    books.publish()
    assert books.read("select source, amount::double from offer_latest") == [("runpod", 2.5)]


def test_a_list_that_saw_an_offer_later_speaks(books, an_offer):
    books.run(an_offer("a", "2.5"), at=DAY_ONE)
    books.run(
        an_offer("a", "2.4", observed_at=DAY_ONE + timedelta(days=1)),
        at=DAY_ONE + timedelta(days=2),
        source="list",
    )
    books.publish()
    assert books.read("select source, amount::double from offer_latest") == [("list", 2.4)]


def test_an_old_list_does_not_bring_a_withdrawn_offer_back(books, an_offer):
    books.run(an_offer("a"), an_offer("b"), at=DAY_ONE + timedelta(days=10))
    for _ in range(2):
        books.run(an_offer("b"))
    books.run(an_offer("a", "1.9", observed_at=DAY_ONE), source="list")
    books.publish()
    assert books.read("select sku from offer_latest order by sku") == [("b",)]

"""One thing on sale that several lists name differently is one offer: the name that was seen later speaks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.alias import Aliases
from gpuledger.core.store.history import price_moves, price_series
from gpuledger.core.store.offers import OfferQuery
from gpuledger.core.store.publish import write_latest
from gpuledger.core.store.record import record
from gpuledger.core.store.rollups import derive
from tests.depth import examples
from tests.store.conftest import Books, source_row

DAY_ONE = datetime(2026, 8, 1, tzinfo=UTC)
NOW = datetime(2026, 9, 30, 12, tzinfo=UTC)
TABLES = (
    *("scrape_run", "document", "offer", "price_change", "stock_change", "offer_current", "derived"),
    *("dated_price", "price_list", "skipped_row", "renamed_offer", "price_checkpoint"),
    *("gpu_price_day", "gpu_vote_day", "gpu_index_day", "price_end_day"),
)


@pytest.fixture(scope="module")
def books(books_in, tmp_path_factory) -> Books:
    books = books_in(tmp_path_factory.mktemp("names"))
    # of one moment the source first by name speaks: `daily`
    books.sources = (
        source_row("runpod"),
        *(source_row(name, "archive") for name in ("daily", "page", "feed")),
    )
    return books


class Market:
    """A ledger in memory that forgets everything between two examples."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, books: Books, an_offer: Any) -> None:
        self.connection, self.books, self.an_offer = connection, books, an_offer
        for table in TABLES:
            connection.execute(f"delete from {table}")

    def take(self, source: str, *rows: tuple[Any, ...]) -> None:
        """One document of a list: name, day, price, and other terms where they matter."""
        offers = [
            self.an_offer(
                sku,
                usd,
                observed_at=DAY_ONE + timedelta(days=day),
                availability="unknown",
                **{"tier": "secure"} | (dict(*more) if more else {}),
            )
            for sku, day, usd, *more in rows
        ]
        record(
            self.connection,
            self.books.batch(*offers, source=source, at=NOW),
            Aliases(self.books.aliases),
        )

    def look(self, day: float, *shown: tuple[str, Any]) -> None:
        """A run of the live source."""
        at = DAY_ONE + timedelta(days=day)
        offers = [self.an_offer(sku, usd, tier="secure") for sku, usd in shown]
        record(self.connection, self.books.batch(*offers, at=at), Aliases(self.books.aliases))

    def now(self) -> list[tuple[Any, ...]]:
        """What is on sale: its name and price."""
        write_latest(self.connection)
        return self._rows("select sku, amount::double from offer_last_seen order by all")

    def then(self, day: float) -> list[tuple[Any, ...]]:
        write_latest(self.connection)
        at = DAY_ONE + timedelta(days=day)
        return self._rows(
            "select sku, amount::double from offers_as_of($at::timestamptz) order by all", at=at
        )

    def held(self, day: float) -> list[tuple[Any, ...]]:
        """What `price_history` has in force on a day."""
        return self._rows(
            "select sku, amount::double from price_history where valid_from <= $at::timestamptz"
            " and coalesce(valid_to, lapses_at) > $at::timestamptz order by all",
            at=DAY_ONE + timedelta(days=day),
        )

    def first(self, day: float) -> list[float]:
        """The price that `cheapest` has first on a day."""
        rows = self._rows(
            "select usd_per_gpu_hour::double from offers_as_of($at::timestamptz) where lapses_at >= $at::timestamptz"
            " order by state_rank(price_state($at::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted,"
            " availability)), usd_per_gpu_hour limit 1",
            at=DAY_ONE + timedelta(days=day),
        )
        return [row[0] for row in rows]

    def series(self, days: int) -> dict[float, list[float]]:
        """The steps of `history --every 1d` from noon of the first day."""
        noon = DAY_ONE + timedelta(hours=12)
        query = OfferQuery(gpu_ids=["h100-sxm-80gb"])
        rows = price_series(
            self.connection, query, since=noon, until=noon + timedelta(days=days), every="1 day", stat="min"
        )
        steps: dict[float, list[float]] = {day + 0.5: [] for day in range(days + 1)}
        for row in rows:
            steps[(row["step_at"] - DAY_ONE) / timedelta(days=1)] = [float(row["usd_per_gpu_hour"])]
        return steps

    def history(self) -> list[tuple[Any, ...]]:
        write_latest(self.connection)
        return self._rows(
            "select sku, amount::double, date_diff('day', $start::timestamptz, valid_from),"
            " date_diff('day', $start::timestamptz, valid_to), replaced_by is not null"
            " from price_history order by valid_from, sku",
            start=DAY_ONE,
        )

    def _rows(self, statement: str, **named: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, named).fetchall()


@pytest.fixture
def market(connection, books, an_offer) -> Market:
    return Market(connection, books, an_offer)


COMMUNITY, PLAIN = {"tier": "community"}, {"tier": None}
EAST, WEST, ANYWHERE = {"region": "us-east-1"}, {"region": "us-west-2"}, {"region": "any"}
EIGHT, SPOT = {"gpu_count": Decimal(8)}, {"purchase_option": "spot"}
SMALL = {"vcpus": Decimal(8), "memory_gib": Decimal(64)}
LARGE = {"vcpus": Decimal(16), "memory_gib": Decimal(64)}
L4 = {"gpu_label": "L4"}
AWS = {"provider": "aws"}
CARD, SHORT = "NVIDIA H100 80GB HBM3", "h100-sxm"

# what one list says, what another says later, what is on sale then
CASES = {
    "the same machine": ([(CARD, 0, 3)], [(SHORT, 9, 4)], [(SHORT, 4.0)]),
    "the same price": ([(CARD, 0, 3)], [(SHORT, 9, 3)], [(SHORT, 3.0)]),
    "the same product code, a tier that goes without saying": (
        [(CARD, 0, 3)],
        [(CARD, 9, 4, PLAIN)],
        [(CARD, 4.0)],
    ),
    "a tier that goes without saying": ([(CARD, 0, 3, PLAIN)], [(SHORT, 9, 4)], [(SHORT, 4.0)]),
    "another tier": ([(CARD, 0, 3, COMMUNITY)], [(SHORT, 9, 4)], [(CARD, 3.0), (SHORT, 4.0)]),
    "another tier beside a price without one": (
        [(CARD, 0, 3, COMMUNITY)],
        [(SHORT, 9, 4, PLAIN)],
        [(CARD, 3.0), (SHORT, 4.0)],
    ),
    "another card": ([("l4", 0, 3, L4)], [(SHORT, 9, 4)], [(SHORT, 4.0), ("l4", 3.0)]),
    "another number of cards": ([(CARD, 0, 24, EIGHT)], [(SHORT, 9, 4)], [(CARD, 24.0), (SHORT, 4.0)]),
    "another way to buy": ([(CARD, 0, 2, SPOT)], [(SHORT, 9, 4)], [(CARD, 2.0), (SHORT, 4.0)]),
    "another shape": ([("small", 0, 3, SMALL)], [("large", 9, 4, LARGE)], [("large", 4.0), ("small", 3.0)]),
    "a shape that one of them states": ([("small", 0, 3, SMALL)], [(SHORT, 9, 4)], [(SHORT, 4.0)]),
    "another provider": ([(CARD, 0, 3, {"provider": "vast"})], [(SHORT, 9, 4)], [(CARD, 3.0), (SHORT, 4.0)]),
    "a reseller": ([(CARD, 0, 3, {"via": "shadeform"})], [(SHORT, 9, 4)], [(CARD, 3.0), (SHORT, 4.0)]),
    "who only read the price": ([(CARD, 0, 3, {"via": "gpurentalprices"})], [(SHORT, 9, 4)], [(SHORT, 4.0)]),
    "a card that no alias knows": (
        [("x1", 0, 3, {"gpu_label": "Mystery"})],
        [("x2", 9, 4, {"gpu_label": "Mystery"})],
        [("x1", 3.0), ("x2", 4.0)],
    ),
    "one region": ([(CARD, 0, 3, EAST)], [(SHORT, 9, 4, EAST)], [(SHORT, 4.0)]),
    "another region": ([(CARD, 0, 3, WEST)], [(SHORT, 9, 4, EAST)], [(CARD, 3.0), (SHORT, 4.0)]),
    "no region, then one": ([(CARD, 0, 3, ANYWHERE)], [(SHORT, 9, 4, EAST)], [(SHORT, 4.0)]),
    "the same product code, no region and then one": ([(CARD, 0, 3)], [(CARD, 9, 4, EAST)], [(CARD, 4.0)]),
    "one region, then none": ([(CARD, 0, 3, EAST)], [(SHORT, 9, 4, ANYWHERE)], [(SHORT, 4.0)]),
    "regions priced apart, then none": (
        [(CARD, 0, 3, EAST), (CARD, 0, 5, WEST)],
        [(SHORT, 9, 4)],
        [(CARD, 3.0), (CARD, 5.0), (SHORT, 4.0)],
    ),
    "one region of a cloud whose regions are always priced apart, then none": (
        [(CARD, 0, 3, EAST | AWS)],
        [(SHORT, 9, 4, ANYWHERE | AWS)],
        [(CARD, 3.0), (SHORT, 4.0)],
    ),
    "no region of such a cloud, then one": (
        [(CARD, 0, 3, AWS)],
        [(SHORT, 9, 4, EAST | AWS)],
        [(SHORT, 4.0)],
    ),
    "several names, then one": ([("a", 0, 3), ("b", 0, 2)], [(SHORT, 9, 4)], [(SHORT, 4.0)]),
    "one name, then several": ([(CARD, 0, 3)], [("a", 9, 4), ("b", 9, 5)], [("a", 4.0), ("b", 5.0)]),
    "two products that one list tells apart": (
        [("a", 0, 3), ("b", 0, 2)],
        [("a", 9, 4)],
        [("a", 4.0), ("b", 2.0)],
    ),
    "of one moment": ([(CARD, 9, 3)], [(SHORT, 9, 4)], [(CARD, 3.0)]),
}


@pytest.mark.parametrize("what", CASES)
def test_the_name_that_was_seen_later_speaks(market, what):
    early, late, expected = CASES[what]
    # each second case takes the later list first
    lists = [("daily", early), ("page", late)][:: 1 if len(what) % 2 else -1]
    for source, rows in lists:
        market.take(source, *rows)
    assert market.now() == sorted(expected)


def test_two_files_of_one_archive_are_two_lists(market):
    market.take("page", (CARD, 0, 3))
    market.take("page", (SHORT, 9, 4))
    assert market.now() == [(SHORT, 4.0)]


def test_what_any_document_lists_side_by_side_are_two_things(market):
    market.take("daily", ("a", 0, 3))
    market.take("page", ("b", 9, 4))
    assert market.now() == [("b", 4.0)]
    market.take("feed", ("a", 1, 3, WEST), ("b", 1, 4, EAST))
    assert market.now() == [("a", 3.0), ("b", 4.0)]


def test_a_live_source_ends_what_a_list_calls_otherwise(market):
    market.take("page", (SHORT, 8.9, 2))
    market.look(9, (CARD, 3))
    assert market.now() == [(CARD, 3.0)]


@pytest.mark.parametrize("hours, expected", [(2, [(CARD, 3.0), (SHORT, 2.0)]), (4, [(SHORT, 2.0)])])
def test_what_a_live_source_showed_stands_until_it_would_have_looked_again(market, hours, expected):
    market.look(9, (CARD, 3))
    market.take("page", (SHORT, 9 + hours / 24, 2))
    assert market.now() == expected


def test_the_end_of_one_name_is_the_end_of_the_other(market):
    market.look(8, (CARD, 3), ("other", 9))
    market.take("page", (SHORT, 7, 2))
    for day in (9, 10):
        market.look(day, ("other", 9))
    assert market.now() == [("other", 9.0)]


def test_history_ends_a_price_where_another_name_of_it_was_seen(market):
    market.take("daily", (CARD, 0, 3), (CARD, 5, 3), (CARD, 20, 4))
    market.take("page", (SHORT, 8, 5), (SHORT, 12, 5))
    assert market.history() == [
        (CARD, 3.0, 0, 8, True),
        (SHORT, 5.0, 8, 20, True),
        (CARD, 4.0, 20, None, False),
    ]


def test_what_is_confirmed_about_a_past_moment_stands_by_any_name(market):
    market.take("daily", (CARD, 0, 3), (CARD, 20, 3))
    market.take("page", (SHORT, 8, 5))
    assert market.then(10) == market.held(10) == [(CARD, 3.0)]
    assert market.now() == [(CARD, 3.0)]


def test_a_price_under_another_name_has_no_vote_and_sets_no_price_of_a_day(market):
    market.take("daily", (CARD, 0, 3))
    market.take("page", (SHORT, 8, 5))
    write_latest(market.connection)
    derive(market.connection, now=NOW)
    rows = market._rows(
        "select offers, min_usd_per_gpu_hour::double from gpu_price_day where provider is null"
        " and price_date in ('2026-08-05', '2026-08-20') order by price_date"
    )
    assert rows == [(1, 3.0), (1, 5.0)]


def test_days_follow_anew_when_two_names_turn_out_to_be_two_things(market):
    market.take("daily", ("a", 0, 3))
    market.take("page", ("b", 8, 5))
    days = (
        "select offers, min_usd_per_gpu_hour::double from gpu_price_day"
        " where provider is null and price_date = '2026-08-20'"
    )
    for expected, extra in (
        ([(1, 5.0)], None),
        ([(2, 3.0)], ("feed", ("a", 30, 3, WEST), ("b", 30, 5, EAST))),
    ):
        if extra:
            market.take(*extra)
        write_latest(market.connection)
        derive(market.connection, now=NOW)
        assert market._rows(days) == expected


ROWS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1, 2, 3])), min_size=1, max_size=4).map(
    lambda rows: sorted(dict(rows).items())
)
LISTS = st.permutations([("daily", CARD), ("page", SHORT), ("feed", "H100 SXM5")])


@settings(max_examples=examples(15, share=5), deadline=None)
@given(prices=st.lists(ROWS, min_size=2, max_size=3), names=LISTS)
def test_history_has_the_price_that_an_answer_about_that_moment_gives(
    connection, books, an_offer, prices, names
):
    market = Market(connection, books, an_offer)
    for (source, sku), rows in zip(names, prices, strict=False):
        market.take(source, *((sku, day, usd) for day, usd in rows))
    for day in (0.5, 2.5, 4.5, 6.5, 8.5, 20.5):
        assert market.then(day) == market.held(day), day
    for day, price in market.series(10).items():
        assert price == market.first(day), day


@pytest.mark.deep
@settings(max_examples=examples(15, share=5), deadline=None)
@given(looks=ROWS, prices=st.lists(ROWS, min_size=1, max_size=2), names=LISTS)
def test_changes_until_a_time_are_those_of_all_that_were_until_then(
    connection, books, an_offer, looks, prices, names
):
    market = Market(connection, books, an_offer)
    for (source, sku), rows in zip(names, prices, strict=False):
        market.take(source, *((sku, day, usd) for day, usd in rows))
    for day, usd in looks:
        market.look(day + 0.5, (CARD, usd), ("other", 10 - usd))
    write_latest(connection)
    query = OfferQuery(gpu_ids=["h100-sxm-80gb"])
    everything = price_moves(connection, query, since=None, until=NOW)
    for day in range(11):
        until = DAY_ONE + timedelta(days=day)
        expected = [row for row in everything if row["changed_at"] <= until]
        assert price_moves(connection, query, since=None, until=until) == expected


@settings(max_examples=examples(15, share=5), deadline=None)
@given(prices=st.lists(ROWS, min_size=2, max_size=3), names=LISTS, order=st.randoms(use_true_random=False))
def test_the_order_of_lists_never_matters(connection, books, an_offer, prices, names, order):
    lists = list(zip(names, prices, strict=False))
    answers = []
    for _ in range(2):
        market = Market(connection, books, an_offer)
        for (source, sku), rows in lists:
            market.take(source, *((sku, day, usd) for day, usd in rows))
        answers.append((market.now(), market.then(4.5), market.history()))
        order.shuffle(lists)
    assert answers[0] == answers[1]


@settings(max_examples=examples(15, share=5), deadline=None)
@given(prices=ROWS, usd=st.sampled_from([1, 2, 3]))
def test_an_older_price_by_another_name_never_changes_what_is_on_sale(
    connection, books, an_offer, prices, usd
):
    market = Market(connection, books, an_offer)
    market.take("page", (SHORT, 10, usd))
    assert market.now() == [(SHORT, float(usd))]
    market.take("daily", *((CARD, day, old) for day, old in prices))
    assert market.now() == [(SHORT, float(usd))]


def test_sizes_that_one_list_gives_hold_under_the_name_that_speaks(market):
    """A later list of prices per GPU says nothing of orders of eight, and so denies none."""
    per_gpu = {"unit": "gpu_hour", "max_gpus": 8}
    market.take("page", ("NVIDIA H100 SXM", 1, 2.5, per_gpu.items()))
    market.take("feed", ("h100", 20, 3.0, {"unit": "gpu_hour"}.items()))
    assert market.now() == [("h100", 3.0)]
    query = OfferQuery(gpu_ids=["h100-sxm-80gb"], min_gpu_count=8, max_gpu_count=8)
    assert [
        (row["usd_per_gpu_hour"], row["cheapest_provider"])
        for row in price_series(
            market.connection,
            query,
            since=DAY_ONE + timedelta(days=25),
            until=NOW,
            every="1 months",
            stat="min",
        )
    ] == [(Decimal("3.0"), "runpod")] * 2
    assert market._rows("select max_gpus from offer_last_seen") == [(8,)]


def test_a_live_source_says_its_sizes_itself(market):
    market.take("page", ("NVIDIA H100 SXM", 1, 2.5, {"unit": "gpu_hour", "max_gpus": 8}.items()))
    market.look(59, ("h100", 3.0))
    assert market.now() == [("h100", 3.0)]
    assert market._rows("select max_gpus from offer_last_seen") == [(None,)]

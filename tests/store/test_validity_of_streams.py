"""The rule of docs/validity.md over streams: what a list covers, what a later look confirms, what lapses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.alias import Aliases
from gpuledger.core.offer import Withdrawn
from gpuledger.core.store.batch import PriceList
from gpuledger.core.store.publish import describe_offers, write_latest
from gpuledger.core.store.record import record
from tests.depth import examples

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 9, 30, 12, tzinfo=UTC)
TABLES = (
    *("scrape_run", "document", "offer", "price_change", "stock_change", "offer_current"),
    *("dated_price", "price_list", "skipped_row"),
)
STATES = """
select
    sku, amount::double, valid_from::date::varchar,
    price_state($instant::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability)
from offers_as_of($as_of::timestamptz)
order by sku, source
"""
ON_SALE = """
select
    sku, amount::double, last_seen_at,
    price_state($instant::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability)
from offer_last_seen
order by sku, source
"""

HISTORY = """
select
    amount::double,
    date_diff('day', $start::timestamptz, valid_from),
    date_diff('day', $start::timestamptz, valid_to)
from price_history
where sku = 'a'
order by valid_from
"""
HELD_THEN = """
select sku, amount::double
from price_history
where valid_from <= $instant::timestamptz and coalesce(valid_to, lapses_at) > $instant::timestamptz
order by sku
"""


@pytest.fixture(scope="module")
def books(books_in, tmp_path_factory):
    return books_in(tmp_path_factory.mktemp("streams"))


class Streams:
    """A ledger in memory that forgets everything between two examples."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, books: Any, an_offer: Any) -> None:
        self.connection, self.books, self.an_offer = connection, books, an_offer
        for table in TABLES:
            connection.execute(f"delete from {table}")

    def take(self, rows: list[tuple[str, int, Any]], kind: Any = "rows", **covers: datetime) -> None:
        """A dated list: sku, day and price; no price withdraws."""
        facts = [self._fact(sku, day, usd) for sku, day, usd in rows]
        batch = self.books.batch(*facts, source="list", at=NOW)
        lists = [PriceList(kind=kind, **covers)]
        record(self.connection, replace(batch, lists=lists), Aliases(self.books.aliases))

    def look(self, *shown: tuple[str, Any], at: datetime) -> None:
        """A run of the live source."""
        batch = self.books.batch(*(self.an_offer(sku, usd) for sku, usd in shown), at=at)
        record(self.connection, batch, Aliases(self.books.aliases))

    def _fact(self, sku: str, day: int, usd: Any) -> Any:
        at = DAY_ONE + timedelta(days=day)
        if usd is not None:
            return self.an_offer(sku, usd, observed_at=at, availability="unknown")
        offer = self.an_offer(sku, 1)
        keys = {name: getattr(offer, name) for name in Withdrawn.model_fields if name != "observed_at"}
        return Withdrawn(**keys, observed_at=at)

    def then(self, day: float) -> list[tuple[Any, ...]]:
        """Offers as of a day, with their state then."""
        at = DAY_ONE + timedelta(days=day)
        describe_offers(self.connection)
        return self.connection.execute(STATES, {"instant": at, "as_of": at}).fetchall()

    def now(self) -> list[tuple[Any, ...]]:
        describe_offers(self.connection)
        return self.connection.execute(STATES, {"instant": NOW, "as_of": None}).fetchall()

    def on_sale(self) -> list[tuple[Any, ...]]:
        """What publishing has on sale now, with its state."""
        write_latest(self.connection, now=NOW)
        return self.connection.execute(ON_SALE, {"instant": NOW}).fetchall()

    def history(self) -> list[tuple[float, int, int | None]]:
        """Intervals of the offer `a`: its price, and from which day until which."""
        return self.connection.execute(HISTORY, {"start": DAY_ONE}).fetchall()

    def held(self, day: float) -> list[tuple[str, float]]:
        """What `price_history` has in force on a day."""
        return self.connection.execute(HELD_THEN, {"instant": DAY_ONE + timedelta(days=day)}).fetchall()

    def state(self, day: float) -> list[tuple[float, str]]:
        return [(row[1], row[3]) for row in self.then(day)]


@pytest.fixture
def streams(connection, books, an_offer) -> Streams:
    return Streams(connection, books, an_offer)


def test_a_price_between_two_equal_observations_is_recorded_and_after_the_last_it_ages(streams):
    streams.take([("a", 0, 2), ("a", 100, 2)])
    assert streams.state(50) == [(2.0, "recorded")]
    assert streams.state(100.1) == [(2.0, "fresh")]
    assert streams.state(110) == [(2.0, "stale")]
    assert streams.state(281) == [(2.0, "lapsed")]


def test_another_price_later_confirms_nothing(streams):
    streams.take([("a", 0, 2), ("a", 100, 3)])
    assert streams.state(50) == [(2.0, "stale")]


def test_a_change_list_holds_a_price_for_as_long_as_it_covers(streams):
    streams.take([("a", 0, 2), ("b", 0, 5), ("b", 100, 6)], "changes")
    assert streams.state(99) == [(2.0, "recorded"), (5.0, "recorded")]
    assert streams.state(200) == [(2.0, "stale"), (6.0, "stale")]
    assert streams.state(281) == [(2.0, "lapsed"), (6.0, "lapsed")]


def test_a_change_list_covers_what_it_is_said_to_cover(streams):
    streams.take([("a", 0, 2)], "changes", covers_from=DAY_ONE, covers_until=DAY_ONE + timedelta(days=150))
    assert streams.state(149) == [(2.0, "recorded")]
    assert streams.state(160) == [(2.0, "stale")]


def test_a_withdrawal_of_a_change_list_ends_an_offer(streams):
    streams.take([("a", 0, 2), ("a", 10, None), ("b", 0, 1), ("b", 50, 1)], "changes")
    assert streams.state(5) == [(2.0, "recorded"), (1.0, "recorded")]
    assert streams.state(20) == [(1.0, "recorded")]


def test_the_longer_version_of_a_change_list_counts_whichever_comes_first(connection, books, an_offer):
    short, long = [("a", 0, 2), ("b", 10, 1)], [("a", 0, 2), ("b", 10, 1), ("b", 120, 1)]
    for order in ((short, long), (long, short)):
        streams = Streams(connection, books, an_offer)
        for rows in order:
            streams.take(rows, "changes")
        assert streams.state(100) == [(2.0, "recorded"), (1.0, "recorded")]


def test_a_snapshot_of_one_day_does_not_hide_what_a_change_list_has_in_force(streams):
    streams.take([("a", 0, 2), ("a", 150, 1)], "changes")
    streams.take([("a", 20, 2), ("c", 20, 9)], "rows")
    assert streams.state(149) == [(2.0, "recorded"), (9.0, "stale")]
    assert streams.state(150.1) == [(1.0, "fresh"), (9.0, "stale")]
    assert streams.state(201) == [(1.0, "stale"), (9.0, "lapsed")]


def test_what_was_seen_twice_goes_before_a_change_list_that_learnt_of_it_later(streams):
    streams.take([("a", 0, 98), ("a", 40, 55)], "changes")
    streams.take([("a", 20, 55), ("a", 30, 55)], "rows")
    assert [streams.state(day) for day in (19, 25, 35)] == [
        [(98.0, "recorded")],
        [(55.0, "recorded")],
        [(55.0, "recorded")],
    ]


def test_one_sight_alone_does_not_go_before_a_change_list(streams):
    streams.take([("a", 0, 98), ("b", 40, 55)], "changes")
    streams.take([("a", 20, 9)], "rows")
    assert streams.state(25)[0] == (98.0, "recorded")


HISTORIES = {
    "one other sight": ("rows", [("a", 20, 9)], [(98.0, 0, 40), (55.0, 40, 220)]),
    "a snapshot of one day": ("snapshots", [("a", 20, 9)], [(98.0, 0, 40), (55.0, 40, 220)]),
    "another price, seen twice": (
        *("rows", [("a", 20, 9), ("a", 30, 9)]),
        [(98.0, 0, 20), (9.0, 20, 30), (98.0, 30, 40), (55.0, 40, 220)],
    ),
    "the cut, learnt of earlier": ("rows", [("a", 20, 55), ("a", 30, 55)], [(98.0, 0, 20), (55.0, 20, 220)]),
    "a shorter change list": (
        *("changes", [("a", 10, 7), ("b", 30, 1)]),
        [(98.0, 0, 10), (7.0, 10, 30), (98.0, 30, 40), (55.0, 40, 220)],
    ),
    "one sight inside both": (
        *("changes", [("a", 10, 7), ("a", 25, 98), ("b", 39, 1)]),
        [(98.0, 0, 10), (7.0, 10, 25), (98.0, 25, 40), (55.0, 40, 220)],
    ),
    "the same price": ("rows", [("a", 20, 98)], [(98.0, 0, 40), (55.0, 40, 220)]),
    "its end, which it has not": ("rows", [("a", 20, None)], [(98.0, 0, 40), (55.0, 40, 220)]),
    "one sight after its end": ("rows", [("a", 60, 9)], [(98.0, 0, 40), (55.0, 40, 60), (9.0, 60, 240)]),
}


@pytest.mark.parametrize("what", HISTORIES)
def test_history_goes_by_what_a_change_list_has_in_force(streams, what):
    kind, rows, expected = HISTORIES[what]
    streams.take([("a", 0, 98), ("a", 40, 55)], "changes")
    streams.take(rows, kind)
    assert streams.history() == expected


def test_a_full_snapshot_withdraws_what_it_lacks(streams):
    streams.take([("a", 0, 2), ("b", 0, 3)], "snapshots")
    streams.take([("a", 10, 2)], "snapshots")
    assert [row[0] for row in streams.then(5)] == ["a", "b"]
    assert [row[0] for row in streams.then(11)] == ["a"]


def test_a_snapshot_that_was_cut_off_withdraws_nothing(streams):
    streams.take([(sku, 0, 2) for sku in "abcde"], "snapshots")
    streams.take([("a", 10, 2)], "snapshots")
    assert len(streams.then(11)) == 5


def test_the_next_look_of_a_live_source_confirms_what_it_shows_unchanged(streams):
    hour = timedelta(hours=1)
    streams.look(("a", 2), ("b", 3), ("c", 4), at=DAY_ONE)
    streams.look(("a", 2), ("b", 5), at=DAY_ONE + 30 * hour)
    assert streams.state(1) == [(2.0, "recorded"), (3.0, "stale"), (4.0, "stale")]


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from([1, 2, 3])), min_size=1, max_size=5
).map(lambda rows: [(sku, day, usd) for (sku, day), usd in {(r[0], r[1]): r[2] for r in rows}.items()])
LISTS = st.lists(st.tuples(ROWS, st.sampled_from(["rows", "changes", "snapshots"])), min_size=1, max_size=3)


@settings(max_examples=examples(6), deadline=None)
@given(lists=LISTS, order=st.randoms(use_true_random=False))
def test_the_order_of_lists_never_matters(connection, books, an_offer, lists, order):
    answers = []
    for _ in range(2):
        streams = Streams(connection, books, an_offer)
        for rows, kind in lists:
            streams.take(rows, kind)
        answers.append([[row[:2] + row[3:] for row in streams.then(day)] for day in (2.5, 9.5)])
        order.shuffle(lists)
    assert answers[0] == answers[1]


@settings(max_examples=examples(8), deadline=None)
@given(lists=LISTS)
def test_history_has_the_price_that_an_answer_about_that_moment_gives(connection, books, an_offer, lists):
    streams = Streams(connection, books, an_offer)
    for rows, kind in lists:
        streams.take(rows, kind)
    for day in (0.5, 2.5, 4.5, 6.5, 8.5, 20.5):
        assert streams.held(day) == [row[:2] for row in streams.then(day)], day


@settings(max_examples=examples(6), deadline=None)
@given(rows=ROWS, kind=st.sampled_from(["rows", "changes"]), day=st.sampled_from([2.5, 5.0]))
def test_what_is_seen_later_only_confirms(connection, books, an_offer, rows, kind, day):
    earlier = [row for row in rows if row[1] <= day]
    streams = Streams(connection, books, an_offer)
    if earlier:
        streams.take(earlier, kind)
    before = streams.then(day)
    streams = Streams(connection, books, an_offer)
    streams.take(rows, kind)
    after = streams.then(day)
    assert [row[:3] for row in before] == [row[:3] for row in after]
    for one, other in zip(before, after, strict=True):
        assert one[3] == other[3] or other[3] == "recorded"


@settings(max_examples=examples(5), deadline=None)
@given(lists=LISTS, usd=st.sampled_from([1, 2, 3]))
def test_an_older_observation_never_changes_a_fresh_price(connection, books, an_offer, lists, usd):
    streams = Streams(connection, books, an_offer)
    streams.look(("a", usd), ("b", 9), at=NOW - timedelta(hours=1))
    fresh = streams.now()
    assert {row[3] for row in fresh} == {"fresh"}
    for rows, kind in lists:
        streams.take(rows, kind)
    assert [row for row in streams.now() if row[3] == "fresh"] == fresh


HOUR = timedelta(hours=1)
TODAY = (NOW - DAY_ONE) // timedelta(days=1)


def test_what_is_dated_ahead_of_the_clock_is_not_on_sale_before(streams):
    streams.take([("a", TODAY - 100, 2), ("a", TODAY + 1, 9), ("b", TODAY + 1, 1)])
    assert streams.on_sale() == [("a", 2.0, DAY_ONE + timedelta(days=TODAY - 100), "stale")]


@pytest.mark.parametrize("ahead", [[], [("a", TODAY + 1, 2)]])
def test_what_is_dated_ahead_lets_no_name_speak_before_another_that_was_seen_later(streams, ahead):
    streams.take([("a", TODAY - 3, 2), *ahead])
    streams.look(("c", 6), at=NOW - 4 * HOUR)
    assert [row[:2] for row in streams.on_sale()] == [("c", 6.0)]


def test_a_machine_whose_clock_is_behind_has_on_sale_what_others_saw(streams):
    streams.look(("a", 2), at=NOW - HOUR)
    streams.look(("a", 9), ("b", 1), at=NOW + HOUR)
    assert [row[:2] for row in streams.on_sale()] == [("a", 9.0), ("b", 1.0)]


def test_a_list_that_says_it_covers_the_future_has_seen_a_price_until_now(streams):
    streams.take([("a", 0, 2)], "changes", covers_from=DAY_ONE, covers_until=NOW + timedelta(days=999))
    assert streams.on_sale() == [("a", 2.0, NOW, "fresh")]


AHEAD = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(TODAY - 3, TODAY + 1), st.sampled_from([1, 2, 3])),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=examples(8), deadline=None)
@given(
    rows=AHEAD,
    kind=st.sampled_from(["rows", "changes"]),
    looks=st.lists(st.integers(-9, 0), max_size=3, unique=True),
)
def test_nothing_that_is_dated_later_answers_about_now(connection, books, an_offer, rows, kind, looks):
    answers = []
    for latest in (NOW, NOW + timedelta(days=1)):
        streams = Streams(connection, books, an_offer)
        chosen = [row for row in rows if DAY_ONE + timedelta(days=row[1]) <= latest]
        if chosen:
            streams.take(chosen, kind)
        for hours in sorted(looks):
            if NOW + hours * HOUR <= latest:
                streams.look(("c", hours + 10), at=NOW + hours * HOUR)
        answers.append(streams.on_sale())
    before, after = answers
    seen = {sku: float(usd) for sku, day, usd in sorted(rows) if day <= TODAY}
    stated = {row[0]: row for row in before}
    confirmed = {row[0] for row in after if kind == "changes" and row[2:] == (NOW, "fresh")}
    # a name yields to another of the same thing only where the other's list says that it holds now
    assert stated.keys() <= {row[0] for row in after} or confirmed
    for row in after:
        if row != stated.get(row[0]):
            # it may only confirm: a change list that reaches beyond now, a name that is seen again beside another
            assert row[1] == seen[row[0]]
            assert row[0] not in stated or row[0] in confirmed

"""Each day that is kept or drawn is what `cheapest` answers as of its last microsecond, over random markets in which
offers sell out, go missing from a run, are withdrawn and come back."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.alias import Aliases
from gpuledger.core.cheapest import cheapest_by_provider
from gpuledger.core.offer import ExchangeRate
from gpuledger.core.store import sql
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import describe_offers
from gpuledger.core.store.record import record
from gpuledger.core.store.rollups import derive
from gpuledger.core.validity import LAPSED
from tests.depth import examples
from tests.store.test_series_is_cheapest import FIRST, H100, LIST, LOOK, Streams

HALF_DAY = timedelta(hours=12)
LENGTHS = (timedelta(hours=1), HALF_DAY, timedelta(days=12))
"""Of the time between two looks: several a day, days apart, and so long that prices lapse."""
Price = tuple[Decimal, str]


@pytest.fixture(scope="module")
def books(books_in, tmp_path_factory):
    return books_in(tmp_path_factory.mktemp("days"))


def emptied(connection: duckdb.DuckDBPyConnection, books: Any, an_offer: Any) -> Streams:
    """A ledger that forgets what it derived as well."""
    for table in ("derived", "gpu_price_day", "gpu_vote_day", "gpu_index_day", "price_end_day"):
        connection.execute(f"delete from {table}")
    return Streams(connection, books, an_offer)


@pytest.fixture
def streams(connection, books, an_offer) -> Streams:
    return emptied(connection, books, an_offer)


def day_end(day: date) -> datetime:
    """The moment that a day stands for."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, microseconds=-1)


def cheapest_then(connection: duckdb.DuckDBPyConnection, at: datetime, **chosen: Any) -> dict[str, Price]:
    """Of each provider what `cheapest` has first, and its state; recorded counts as fresh."""
    query = OfferQuery(gpu_ids=H100, purchase_options=["on_demand"], **chosen)
    there = [one for one in offers(connection, query, at=at, as_of=at) if one.price_state(at) != LAPSED]
    firsts: dict[str, Price] = {}
    for provider in {one.provider for one in there}:
        answer = cheapest_by_provider((one for one in there if one.provider == provider), at=at)
        (first,) = [ranked.offer for ranked in answer.ranking[:1]]
        state = first.price_state(at)
        firsts[provider] = (first.usd_per_gpu_hour or Decimal(0), "fresh" if state == "recorded" else state)
    return firsts


def first_of_all(connection: duckdb.DuckDBPyConnection, at: datetime) -> tuple[Decimal, str, str]:
    """What `cheapest` has first of the orders of one card or more, its state and its provider."""
    query = OfferQuery(gpu_ids=H100, purchase_options=["on_demand"], min_gpu_count=1)
    there = [one for one in offers(connection, query, at=at, as_of=at) if one.price_state(at) != LAPSED]
    first = cheapest_by_provider(there, at=at).ranking[0].offer
    state = first.price_state(at)
    return (first.usd_per_gpu_hour or Decimal(0), "fresh" if state == "recorded" else state, first.provider)


def drawn(connection: duckdb.DuckDBPyConnection, query: str, **asked: Any) -> dict[tuple[int, str], Price]:
    """What one of the queries of the chart draws: by step and provider."""
    chosen: dict[str, Any] = {
        **dict.fromkeys(("providers", "tiers", "max_count", "region")),
        "gpu_ids": H100[0],
        "purchase_options": "on_demand",
        "min_count": 1,
    }
    return {
        (row["step_no"], row["provider"]): (
            Decimal(str(row["usd_min"])),
            "fresh" if row["price_state"] == "recorded" else row["price_state"],
        )
        for row in sql.rows(connection, f"queries/{query}", chosen | asked)
    }


def assert_days_are_cheapest(streams: Streams, place: str | None) -> None:
    """At every door that draws days or hours, at each day from the first to the last look."""
    connection, last = streams.connection, streams.last
    days = {"first_day": FIRST.date(), "last_day": last.date(), "step_days": 1}
    count = (last.date() - FIRST.date()).days + 1
    chosen = drawn(connection, "price_chart_days_chosen", **days, region=place,
                   end_day=last.date() + timedelta(days=1))  # fmt: skip
    hours = drawn(connection, "price_chart_hours", region=place, since=day_end(FIRST.date()),
                  until=day_end(last.date()), step=timedelta(days=1))  # fmt: skip
    kept = drawn(connection, "price_chart_days", **days)
    wholes = {
        row[0]: row[1:]
        for row in connection.execute(
            "select price_date, min_usd_per_gpu_hour, price_state, cheapest_provider from gpu_price_day"
            " where gpu_id = $gpu and purchase_option = 'on_demand' and provider is null",
            {"gpu": H100[0]},
        ).fetchall()
    }
    # where there are many days, some of them, the last looks' among them
    for step in sorted({*range(0, count, max(count // 12, 1)), count - 1}):
        day = FIRST.date() + timedelta(days=step)
        at = day_end(day)
        of_place = cheapest_then(connection, at, min_gpu_count=1, **({"regions": [place]} if place else {}))
        assert {name: price for (number, name), price in chosen.items() if number == step} == of_place, at
        assert {name: price for (number, name), price in hours.items() if number == step} == of_place, at
        of_all = cheapest_then(connection, at, min_gpu_count=1)
        assert {name: price for (number, name), price in kept.items() if number == step} == of_all, at
        assert wholes.get(day) == (first_of_all(connection, at) if of_all else None), at


@settings(max_examples=examples(12, share=4), deadline=None)
@given(
    looks=st.lists(LOOK, max_size=10, unique_by=lambda look: look[:2]),
    lists=st.lists(LIST, max_size=2),
    length=st.sampled_from(LENGTHS),
    place=st.sampled_from([None, "us"]),
    halves=st.integers(0, 10),
)
def test_a_day_is_what_cheapest_answers_at_its_end(
    connection, books, an_offer, looks, lists, length, place, halves
):
    """However many of the looks had come when days were derived before."""
    streams = emptied(connection, books, an_offer)
    streams.length = length
    for kind, rows in lists:
        streams.take(kind, rows)
    for number, (source, hour, shown) in enumerate(sorted(looks, key=lambda look: look[1])):
        if number == halves:
            describe_offers(connection)
            derive(connection, now=FIRST + hour * length)
        streams.look(source, hour, shown)
    describe_offers(connection)
    # the lists came when everything was over
    derive(connection, now=day_end(streams.last.date()) + timedelta(microseconds=1))
    assert_days_are_cheapest(streams, place)


def derived(streams: Streams, after_days: int) -> None:
    """Days as publishing keeps them so many days after the first."""
    describe_offers(streams.connection)
    derive(streams.connection, now=FIRST + timedelta(days=after_days))


def kept_days(streams: Streams) -> list[tuple[Any, ...]]:
    return streams.connection.execute(
        "select day(price_date), min_usd_per_gpu_hour::double, price_state, offers, cheapest_provider"
        " from gpu_price_day where provider is null and purchase_option = 'on_demand' order by 1"
    ).fetchall()


def floors(streams: Streams) -> list[tuple[Any, ...]]:
    return streams.connection.execute(
        "select day(price_date), floor_usd_per_gpu_hour::double, floor_provider from gpu_index_day"
        " where purchase_option = 'on_demand' and segment is null order by 1"
    ).fetchall()


def test_what_is_sold_out_is_no_price_of_a_day_while_another_is_to_be_had(streams):
    streams.length = HALF_DAY
    for hour in range(10):
        stock = "sold_out" if 3 <= hour <= 6 else "available"
        streams.look("runpod", hour, {"a": (1, stock), "b": (3, "available")})
    derived(streams, 5)
    dear = (3.0, "fresh", 2, "lambda")
    assert kept_days(streams) == [
        (1, 1.0, "fresh", 2, "runpod"), (2, *dear), (3, *dear), (4, 1.0, "fresh", 2, "runpod"),
        (5, 1.0, "stale", 2, "runpod"),
    ]  # fmt: skip
    # the floor is of what was to be had at some time of the day: on the third it was not
    assert floors(streams) == [
        (1, 1.0, "runpod"), (2, 1.0, "runpod"), (3, 3.0, "lambda"), (4, 1.0, "runpod"), (5, 1.0, "runpod")
    ]  # fmt: skip


def test_where_everything_is_sold_out_a_day_says_so(streams):
    streams.length = HALF_DAY
    for hour in range(4):
        streams.look("runpod", hour, {"a": (1, "sold_out"), "b": (3, "sold_out")})
    derived(streams, 2)
    assert kept_days(streams) == [(1, 1.0, "sold_out", 2, "runpod"), (2, 1.0, "sold_out", 2, "runpod")]
    assert floors(streams) == [(1, None, None), (2, None, None)]
    # each still says how its price moved
    voted = "select provider, offers, cheapest_usd_per_gpu_hour from gpu_vote_day where segment is null"
    assert sorted(streams.connection.execute(f"{voted} and day(price_date) = 2").fetchall()) == [
        ("lambda", 1, None), ("runpod", 1, None)
    ]  # fmt: skip


def test_a_run_without_an_offer_sends_it_behind_the_others(streams):
    streams.length = HALF_DAY
    for hour in range(8):
        # absent from the last run of the second day
        shown = {"b": (3, "available")} | ({} if hour == 3 else {"a": (1, "available")})
        streams.look("runpod", hour, shown)
    derived(streams, 4)
    assert [row[1:3] for row in kept_days(streams)] == [
        (1.0, "fresh"), (3.0, "fresh"), (1.0, "fresh"), (1.0, "stale")
    ]  # fmt: skip


def test_what_a_full_snapshot_lacks_is_gone_from_its_day_on(streams):
    """Days knew of no withdrawal by a list: the price stood for half a year more."""
    streams.length = timedelta(days=1)
    streams.take("snapshots", {("a", 0): 1, ("f", 0): 3})
    streams.take("snapshots", {("f", 2): 3})
    derived(streams, 4)
    assert [row[3] for row in kept_days(streams)] == [2, 2, 1, 1]


def test_a_look_after_midnight_confirms_the_day_that_was_derived_before_it(streams):
    streams.length = HALF_DAY
    streams.look("other", 0, {"b": (3, "available")})
    streams.look("other", 1, {"b": (3, "available")})
    derived(streams, 1)
    assert [row[2] for row in kept_days(streams)] == ["stale"]
    streams.look("other", 2, {"b": (3, "available")})
    derived(streams, 2)
    assert [row[2] for row in kept_days(streams)] == ["fresh", "stale"]


@pytest.mark.parametrize(
    ("currency", "from_day"),
    [
        pytest.param("EUR", 2, id="a rate of the second day sends days back to it"),
        pytest.param("GBP", 5, id="nobody sells in pounds"),
    ],
)
def test_a_rate_that_comes_late_converts_the_days_since_its_own_anew(streams, an_offer, currency, from_day):
    def rated(hour: int, usd: str, day: int, currency: str = "EUR") -> None:
        rate = ExchangeRate(currency=currency, usd_per_unit=Decimal(usd), rate_date=date(2026, 1, day))
        streams.look("other", hour, {}, side_facts=[rate])

    streams.length = timedelta(days=1)
    for day in range(4):
        rated(day, "1.1", 1)
    for day in range(7):
        batch = streams.books.batch(
            an_offer("a", 1, currency="EUR"), source="runpod", at=FIRST + timedelta(days=day)
        )
        record(streams.connection, batch, Aliases(streams.books.aliases))
    derived(streams, 4)
    assert [usd for _, usd, *_ in kept_days(streams)] == [1.1] * 4
    rated(4, "1.2", 2, currency)
    derived(streams, 5)
    assert [usd for _, usd, *_ in kept_days(streams)] == [
        1.1 if day < from_day else 1.2 for day in range(1, 5)
    ] + [1.1 if currency == "GBP" else 1.2]


def test_a_rate_that_says_what_was_known_sends_no_day_back(streams):
    rate = ExchangeRate(currency="EUR", usd_per_unit=Decimal("1.1"), rate_date=date(2026, 1, 1))
    streams.look("other", 0, {"c": (40, "available")}, side_facts=[rate])
    derived(streams, 3)
    later = rate.model_copy(update={"rate_date": date(2026, 1, 2)})
    streams.look("other", 1, {"c": (40, "available")}, side_facts=[later])
    (run_no, until, _) = streams.connection.execute(
        "select run_no, until_date, reference from derived"
    ).fetchall()[0]
    asked = {"run_no": run_no, "until_date": until}
    assert streams.connection.execute(sql.text("derive/late_rates"), asked).fetchall() == []

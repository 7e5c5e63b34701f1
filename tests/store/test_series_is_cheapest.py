"""Each step of a series is what `cheapest` answers as of that moment, over random markets."""

from collections.abc import Iterable
from dataclasses import replace
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
from gpuledger.core.store.batch import PriceList
from gpuledger.core.store.history import price_series
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import describe_offers
from gpuledger.core.store.record import record
from tests.depth import examples
from tests.store.test_validity_of_streams import TABLES

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LENGTHS = (HOUR, timedelta(days=12))
"""Of the time between two looks: within the target, and so long that prices lapse."""
H100 = ["h100-sxm-80gb"]
TERMS: dict[str, dict[str, Any]] = {
    "a": {"provider": "runpod", "region": "us"},
    "b": {"provider": "lambda", "region": "us"},
    "c": {"provider": "aws", "gpu_count": Decimal(8)},
    "d": {"provider": "aws", "purchase_option": "spot"},
    "f": {"provider": "runpod", "region": "eu"},
    "e": {"provider": "vast", "min_gpus": 2, "max_gpus": 8, "unit": "gpu_hour"},
}


@pytest.fixture(scope="module")
def books(books_in, tmp_path_factory):
    return books_in(tmp_path_factory.mktemp("series"))


class Streams:
    """A ledger in memory that forgets everything between two examples."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, books: Any, an_offer: Any) -> None:
        self.connection, self.books, self.an_offer = connection, books, an_offer
        self.length = HOUR
        for table in (*TABLES, "disputed_price", "exchange_rate", "price_checkpoint"):
            connection.execute(f"delete from {table}")

    @property
    def last(self) -> datetime:
        return FIRST + 20 * self.length

    def look(self, source: str, hour: int, shown: dict[str, tuple[Any, str]], **more: Any) -> None:
        """A run of a live source: sku, price and stock."""
        rows = [
            self.an_offer(sku, usd, availability=stock, **TERMS[sku]) for sku, (usd, stock) in shown.items()
        ]
        batch = self.books.batch(*rows, source=source, at=FIRST + hour * self.length, **more)
        record(self.connection, batch, Aliases(self.books.aliases))

    def take(self, kind: Any, rows: dict[tuple[str, int], Any]) -> None:
        """A dated list: sku, hour and price."""
        facts = [
            self.an_offer(
                sku, usd, availability="unknown", observed_at=FIRST + hour * self.length, **TERMS[sku]
            )
            for (sku, hour), usd in rows.items()
        ]
        batch = self.books.batch(*facts, source="list", at=self.last)
        record(self.connection, replace(batch, lists=[PriceList(kind=kind)]), Aliases(self.books.aliases))

    def series(self, query: OfferQuery, *, since: datetime | None, every: str, stat: str = "min") -> Any:
        describe_offers(self.connection)
        rows = price_series(self.connection, query, since=since, until=self.last, every=every, stat=stat)
        return {
            (row["step_at"], row["purchase_option"]): (
                row["usd_per_gpu_hour"], row["cheapest_provider"], row["price_state"]
            )
            for row in rows
        }  # fmt: skip

    def cheapest(self, query: OfferQuery, at: datetime) -> dict[str, tuple[Any, ...]]:
        """By purchase option."""
        on_sale = offers(self.connection, query, at=at, as_of=at)
        firsts: dict[str, tuple[Any, ...]] = {}
        for option in {one.purchase_option for one in on_sale}:
            answer = cheapest_by_provider((one for one in on_sale if one.purchase_option == option), at=at)
            for first in [ranked.offer for ranked in answer.ranking[:1]]:
                firsts[option] = (first.usd_per_gpu_hour, first.provider, first.price_state(at))
        return firsts

    def assert_equal(
        self, steps: Iterable[datetime], *, since: datetime | None, every: str, **chosen: Any
    ) -> None:
        query = OfferQuery(gpu_ids=H100, **chosen)
        series = self.series(query, since=since, every=every)
        for at in steps:
            of_step = {option: row for (step_at, option), row in series.items() if step_at == at}
            assert of_step == self.cheapest(query, at), at


@pytest.fixture
def streams(connection, books, an_offer) -> Streams:
    return Streams(connection, books, an_offer)


SKU = st.sampled_from(list(TERMS))
USD = st.sampled_from([1, 2, 3, 40])
LOOK = st.tuples(
    st.sampled_from(["runpod", "other"]),
    st.integers(0, 20),
    st.dictionaries(SKU, st.tuples(USD, st.sampled_from(["available", "sold_out"])), max_size=4),
)
LIST = st.tuples(
    st.sampled_from(["rows", "changes", "snapshots"]),
    st.dictionaries(st.tuples(SKU, st.integers(0, 20)), USD, min_size=1, max_size=6),
)


@settings(max_examples=examples(12, share=4), deadline=None)
@given(
    looks=st.lists(LOOK, max_size=8, unique_by=lambda look: look[:2]),
    lists=st.lists(LIST, max_size=2),
    numbers=st.sets(st.integers(0, 20), min_size=1, max_size=3),
    offset=st.sampled_from([0, 0, 0.5]),
    length=st.sampled_from(LENGTHS),
    least=st.sampled_from([None, 4.0]),
)
def test_a_step_is_what_cheapest_answers_then(
    connection, books, an_offer, looks, lists, numbers, offset, length, least
):
    streams = Streams(connection, books, an_offer)
    streams.length = length
    for kind, rows in lists:
        streams.take(kind, rows)
    for source, hour, shown in sorted(looks, key=lambda look: look[1]):
        streams.look(source, hour, shown)
    since = FIRST + offset * length
    steps = [at for number in sorted(numbers) if (at := since + number * length) <= streams.last]
    every = "1 hours" if length == HOUR else f"{length.days} days"
    streams.assert_equal(steps, since=since, every=every, min_gpu_count=least)


def test_at_the_moment_of_a_sight_nothing_confirms_it_yet(streams):
    streams.take("rows", {("a", 0): 2, ("a", 10): 2})
    states = [
        row[2] for row in streams.series(OfferQuery(gpu_ids=H100), since=None, every="5 hours").values()
    ]
    assert states == ["fresh", "recorded", "fresh", "stale", "stale"]


def test_what_is_sold_out_or_unlisted_goes_after_what_is_stale(streams):
    streams.take("rows", {("f", 0): 3})
    streams.look("runpod", 4, {"a": (1, "sold_out"), "c": (16, "available")})
    streams.look("runpod", 6, {"a": (1, "sold_out")})
    streams.look("runpod", 8, {"a": (1, "available")})
    series = streams.series(OfferQuery(gpu_ids=H100), since=FIRST + 4 * HOUR, every="1 hours")
    assert list(series.values())[:5] == [
        (2, "aws", "fresh"),
        (2, "aws", "fresh"),
        (3, "runpod", "stale"),
        (3, "runpod", "stale"),
        (1, "runpod", "fresh"),
    ]


def test_a_step_takes_the_rate_of_its_day(streams, an_offer):
    streams.length = timedelta(days=1)
    rates = [ExchangeRate(currency="EUR", usd_per_unit=rate, rate_date=date(2026, 1, day)) for rate, day in
             ((Decimal("1.1"), 1), (Decimal("1.2"), 3))]  # fmt: skip
    streams.look("other", 0, {"c": (40, "available")}, side_facts=rates)
    batch = streams.books.batch(an_offer("a", 1, currency="EUR"), source="runpod", at=FIRST)
    record(streams.connection, batch, Aliases(streams.books.aliases))
    series = streams.series(OfferQuery(gpu_ids=H100), since=FIRST, every="1 days")
    assert [row[0] for row in series.values()][:3] == [Decimal("1.1"), Decimal("1.1"), Decimal("1.2")]


def test_the_middle_is_of_the_prices_in_the_best_state(streams):
    streams.take("rows", {("f", 0): 9})
    streams.look("runpod", 4, {"a": (1, "available"), "c": (24, "available"), "e": (4, "sold_out")})
    series = streams.series(OfferQuery(gpu_ids=H100), since=FIRST + 4 * HOUR, every="1 hours", stat="median")
    assert series[FIRST + 4 * HOUR, "on_demand"] == (Decimal(2), "runpod", "fresh")

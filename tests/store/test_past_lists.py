"""Lists about the past: offers of then, intervals, moves and series, against rules in Python over the same market."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.store.history import price_intervals, price_moves, price_series
from gpuledger.core.store.offers import OfferQuery
from tests.store.list_market import DAY, HOUR, NOW, Market, opened


@pytest.fixture(scope="module")
def market(books_in, tmp_path_factory, an_offer) -> Iterator[Market]:
    with opened(books_in(tmp_path_factory.mktemp("market")), an_offer) as market:
        yield market


def test_a_past_moment_shows_the_prices_of_then(market):
    then = {
        one.sku: (one.amount, one.price_state(NOW - 4 * HOUR)) for one in market.page(as_of=NOW - 4 * HOUR)
    }
    # the next look showed another price of a1, and the same of the others
    assert then["a1"] == (3, "fresh") and then["a2"] == (20, "recorded")
    assert then["u1"] == (Decimal("2.1"), "recorded")
    earlier = {
        one.sku: (one.amount, one.price_state(NOW - 50 * DAY)) for one in market.page(as_of=NOW - 50 * DAY)
    }
    assert earlier == {"o1": (Decimal("2.3"), "stale")}
    assert [one.sku for one in market.page(as_of=NOW - 4 * HOUR, gpu_ids=["l4-24gb"])] == ["r5"]


def test_intervals_overlap_the_time_that_is_asked_for(market):
    def shown(since: datetime | None, until: datetime | None, **named: Any) -> list[tuple[Any, ...]]:
        query = OfferQuery(gpu_ids=["h100-sxm-80gb"], providers=["aws"], purchase_options=["on_demand"],
                           max_gpu_count=1, **named)  # fmt: skip
        rows = price_intervals(market.connection, query, since=since, until=until, now=NOW)
        return [(float(row["usd_per_gpu_hour"]), row["valid_from"], row["valid_to"]) for row in rows]

    first, second = NOW - 5 * HOUR, NOW - 2 * HOUR
    of_a1, of_u1 = [(3.0, first, second), (2.5, second, None)], (2.1, first, None)
    by_time = [row[1] for row in shown(None, None)]
    assert by_time == sorted(by_time)
    # two begin at one time
    assert sorted(shown(None, None), key=lambda row: row[0]) == [of_u1, of_a1[1], of_a1[0]]
    assert of_a1[0] not in shown(second, None) and of_a1[0] in shown(second - timedelta(seconds=1), None)
    assert of_a1[1] in shown(None, second) and of_a1[1] not in shown(None, second - timedelta(seconds=1))
    assert len(shown(None, None, max_rows=1)) == 1


def test_what_has_lapsed_has_an_end_in_history(market):
    query = OfferQuery(gpu_ids=["h100-sxm-80gb"], providers=["lambda"], purchase_options=["spot"])
    seen = NOW - 20 * DAY
    for now, end in ((NOW, None), (seen + 30 * DAY, seen + 30 * DAY), (seen + 30 * DAY - HOUR, None)):
        (row,) = price_intervals(market.connection, query, since=None, until=None, now=now)
        assert row["valid_to"] == end


def test_a_move_is_a_change_of_one_offer_and_never_its_coming(market):
    rows = price_moves(market.connection, OfferQuery(gpu_ids=["h100-sxm-80gb"]), since=None, until=NOW)
    assert [
        (row["provider"], float(row["usd_per_gpu_hour_before"]), float(row["usd_per_gpu_hour"]))
        for row in rows
    ] == [
        ("aws", 3.0, 2.5),
        ("lambda", 2.3, 2.0),
    ]
    assert [row["change"] for row in rows] == [
        pytest.approx(-1 / 6, abs=1e-4),
        pytest.approx(-0.1304, abs=1e-4),
    ]
    since = NOW - 2 * HOUR
    assert (
        len(price_moves(market.connection, OfferQuery(gpu_ids=["h100-sxm-80gb"]), since=since, until=NOW))
        == 1
    )
    late = since + timedelta(seconds=1)
    assert price_moves(market.connection, OfferQuery(gpu_ids=["h100-sxm-80gb"]), since=late, until=NOW) == []
    assert (
        len(price_moves(market.connection, OfferQuery(gpu_ids=["h100-sxm-80gb"]), since=None, until=since))
        == 2
    )


def test_moves_of_one_moment_begin_with_the_largest(market):
    query = OfferQuery(gpu_ids=["gh200-96gb", "h100-sxm-80gb"])
    rows = price_moves(market.connection, query, since=NOW - 2 * HOUR, until=NOW)
    assert [(row["provider"], row["change"]) for row in rows] == [
        ("aws", pytest.approx(-1 / 6, abs=1e-4)),
        ("runpod", pytest.approx(-0.1, abs=1e-4)),
    ]


def test_a_series_has_the_cheapest_or_the_middle_of_each_option_and_its_state(market):
    def series(stat: str, every: str = "1 hours") -> dict[tuple[int, str], tuple[Any, ...]]:
        rows = price_series(
            market.connection, OfferQuery(gpu_ids=["h100-sxm-80gb"], providers=["aws", "lambda"]),
            since=NOW - 6 * HOUR, until=NOW, every=every, stat=stat,
        )  # fmt: skip
        return {
            (round((row["step_at"] - NOW) / HOUR), row["purchase_option"]): (
                float(row["usd_per_gpu_hour"]), row["price_state"], row["cheapest_provider"], row["offers"],
                row["stale_offers"], row["providers"],
            )
            for row in rows
        }  # fmt: skip

    cheapest, middle = series("min"), series("median")
    assert cheapest[-6, "on_demand"] == (2.0, "stale", "lambda", 1, 1, 1)
    # a stale price does not go before a recorded one
    assert cheapest[-5, "on_demand"] == (2.1, "recorded", "aws", 4, 1, 2)
    assert middle[-5, "on_demand"] == (pytest.approx(2.5), "recorded", "aws", 4, 1, 2)
    assert middle[-2, "on_demand"] == (pytest.approx(2.5), "fresh", "aws", 4, 1, 2)
    assert cheapest[-4, "spot"] == (1.0, "recorded", "aws", 2, 1, 2)
    assert cheapest[-1, "reserved"] == (1.5, "fresh", "aws", 1, 0, 1)
    assert cheapest[0, "reserved"] == (1.5, "fresh", "aws", 1, 0, 1)
    assert (-6, "reserved") not in cheapest
    assert series("min", "6 hours").keys() == {
        *((-6, one) for one in ("on_demand", "spot")),
        *((0, one) for one in ("on_demand", "spot", "reserved")),
    }

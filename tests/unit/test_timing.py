"""What recorded days say about today's price, its drift and waiting."""

from datetime import date
from decimal import Decimal

import pytest

from gpuledger.core.timing import filled, rank, trend, wait


def test_a_day_without_a_record_keeps_the_price_of_the_day_before():
    prices = {date(2026, 1, 1): Decimal(2), date(2026, 1, 4): Decimal(3)}
    assert filled(prices) == [2, 2, 2, 3]


@pytest.mark.parametrize(
    ("today", "share"), [(1.0, 0.0), (2.5, 0.5), (9.0, 1.0)], ids=["a new low", "the middle", "a new high"]
)
def test_the_rank_is_the_share_of_cheaper_days(today, share):
    assert rank([2.0, 2.0, 3.0, 3.0, today], 30).share_cheaper == share


def test_a_window_longer_than_the_record_says_how_many_days_it_has():
    assert rank([2.0] * 11, 365).recorded_days == 10


def test_a_first_day_has_no_rank():
    assert rank([2.0], 30).share_cheaper is None


def test_a_steady_fall_of_one_percent_a_day_is_that_trend():
    found = trend([100 * 0.99**day for day in range(91)])
    assert found is not None
    assert found.per_30_days == pytest.approx(0.99**30 - 1)
    assert found.low == pytest.approx(found.high) == pytest.approx(found.per_30_days)


def test_the_interval_of_a_price_that_only_jumps_holds_the_trend_and_zero():
    prices = [3.0 if day // 10 % 2 else 2.0 for day in range(91)]
    found = trend(prices)
    assert found is not None
    assert found.low < 0 < found.high


def test_few_days_have_neither_trend_nor_waiting():
    assert trend([2.0] * 14) is None
    assert wait([2.0] * 20, 1) is None


def test_waiting_through_a_cut_saved_on_the_days_before_it():
    prices = [98.32] * 30 + [55.04] * 30
    found = wait(prices, 1)
    assert found is not None
    assert (found.days, found.share_cheaper) == (53, pytest.approx(7 / 53))
    assert found.p10 == pytest.approx(55.04 / 98.32 - 1)
    assert found.median == 0

"""What recorded days say about today's price, its drift and waiting."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from gpuledger.core.errors import NoOfferError
from gpuledger.core.timing import days_of_index, rank, series, timing, trend, wait
from tests.unit.offering import NOW, offer, stale

NOW_ON_SALE = stale(offer("1", provider="vast"))


def index_row(day: date, state: str = "published", price_index: float = 100.0, **more) -> dict:
    return {
        "price_date": day,
        "state": state,
        "reason": None if state == "published" else "1 provider with offers to compare, 3 needed",
        "chain": 1,
        "price_index": price_index,
        "gpu_id": "h100-sxm-80gb",
        "floor_usd_per_gpu_hour": Decimal("2.69"),
        "floor_provider": "runpod",
    } | more


def test_a_day_that_was_not_published_has_no_price():
    days = [index_row(date(2026, 1, 1)), index_row(date(2026, 1, 2), "withheld"), index_row(date(2026, 1, 3))]
    assert series(days) == [100.0, None, 100.0]


def test_withheld_days_are_no_recorded_days():
    assert rank([2.0, None, None, 3.0, 2.5], 30).recorded_days == 2


def test_a_gap_weighs_as_the_days_that_it_lasted():
    steady = [100 * 0.99**day for day in range(91)]
    gapped = [price if day % 3 == 0 else None for day, price in enumerate(steady)]
    found = trend(gapped)
    assert found is not None
    assert found.per_30_days == pytest.approx(0.99**30 - 1)
    assert found.days == 30


def test_an_index_that_is_withheld_is_no_answer_and_says_why():
    days = [index_row(date(2026, 1, 1) + timedelta(day), "withheld") for day in range(60)]
    with pytest.raises(NoOfferError, match=r"0 published days .* 14 are needed.*3 needed"):
        timing(days, NOW_ON_SALE, at=NOW, gpu_hours=100, weeks_left=None, what="H100-SXM on_demand")


def test_what_is_paid_is_the_price_on_sale_and_the_trend_is_of_the_index():
    days = [index_row(date(2026, 1, 1) + timedelta(day)) for day in range(60)]
    answer = timing(days, NOW_ON_SALE, at=NOW, gpu_hours=100, weeks_left=None, what="H100-SXM on_demand")
    assert (answer["usd_total"], answer["cheapest_provider"]) == (Decimal("100.00"), "vast")
    assert (answer["price_date"], answer["price_state"]) == ("2026-02-13", "stale")
    assert answer["trend"]["per_30_days"] == 0


def test_the_index_is_of_the_card_that_is_bought_where_enough_days_of_it_are_published():
    start = date(2026, 1, 1)
    other = [index_row(start + timedelta(day), gpu_id="h100-pcie-80gb") for day in range(60)]
    for days, chosen in ((20, "h100-sxm-80gb"), (5, "h100-pcie-80gb")):
        own = [index_row(start + timedelta(day)) for day in range(days)]
        assert {row["gpu_id"] for row in days_of_index([*own, *other], "h100-sxm-80gb")} == {chosen}
    assert days_of_index([], "h100-sxm-80gb") == []


def test_an_index_of_another_card_than_the_one_that_is_bought_is_said_to_be_one():
    days = [index_row(date(2026, 1, 1) + timedelta(day), gpu_id="h100-pcie-80gb") for day in range(60)]
    answer = timing(days, NOW_ON_SALE, at=NOW, gpu_hours=100, weeks_left=None, what="H100 on_demand")
    assert answer["index_gpu_id"] == "h100-pcie-80gb"
    assert answer["note"].startswith("the price is of h100-sxm-80gb, whose index has too few published days")


def test_with_nothing_on_sale_there_is_no_price_to_wait_from():
    days = [index_row(date(2026, 1, 1) + timedelta(day)) for day in range(60)]
    with pytest.raises(NoOfferError, match="nothing is on sale now"):
        timing(days, None, at=NOW, gpu_hours=100, weeks_left=None, what="H100-SXM on_demand")


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

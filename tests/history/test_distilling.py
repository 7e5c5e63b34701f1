"""From the rows of an archive to intervals, and what the archive itself contradicts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tools.history.intervals import Interval, beside, intervals
from tools.history.slips import FAR_OFF, NO_DISCOUNT, SPIKE, TAKEN_BACK, without_slips

MOMENT = timedelta(microseconds=1)


def day(number: int) -> datetime:
    return datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=number)


def row(
    at: int, usd: str | None, *, until: int | None = None, next_at: int | None = None, **more: object
) -> dict:
    """A row as a ledger of one list holds it."""
    seen = {"observed_at": day(at), "amount": usd and Decimal(usd), "upfront_amount": None, "currency": "USD"}
    terms = {
        "provider": "aws",
        "sku": "m",
        "region": "r",
        "purchase_option": "on_demand",
        "term_months": None,
    }
    span = {"seen_until": day(at if until is None else until), "same_until": None, "gone_at": None}
    return {
        "offer_id": "a",
        "unit": "hour",
        "gpu_count": 1,
        **terms,
        **seen,
        **span,
        "next_at": next_at,
        **more,
    }


def shown(found: list[Interval]) -> list[tuple[str, datetime, datetime, datetime | None]]:
    return [(str(one.row["amount"]), one.seen_from, one.seen_until, one.gone_at) for one in found]


def test_a_change_list_holds_a_price_until_just_before_the_next():
    found = list(intervals([row(0, "2", until=10), row(10, "1", until=30)]))
    assert shown(found) == [("2", day(0), day(10) - MOMENT, None), ("1", day(10), day(30), None)]


def test_equal_rows_are_one_price_and_a_withdrawal_ends_it():
    found = list(intervals([row(0, "2", same_until=day(5)), row(5, "2", until=9), row(9, None)]))
    assert shown(found) == [("2", day(0), day(9) - MOMENT, day(9))]


def test_between_two_different_looks_nothing_is_claimed():
    found = list(intervals([row(0, "2"), row(20, "1")]))
    assert shown(found) == [("2", day(0), day(0), None), ("1", day(20), day(20), None)]


def made(*prices: tuple[int, int, str], **more: object) -> list[Interval]:
    return [
        Interval(row=row(start, usd, **more), seen_from=day(start), seen_until=day(stop), gone_at=None)
        for start, stop, usd in prices
    ]


def test_the_more_trusted_archive_speaks_where_it_has_the_offer():
    added, left = beside(made((10, 20, "1")), made((0, 12, "2"), (13, 15, "3"), (16, 40, "4")))
    assert shown(added) == [("2", day(0), day(10) - MOMENT, None), ("4", day(20) + MOMENT, day(40), None)]
    assert left == 1


@pytest.mark.parametrize(
    ("prices", "kept", "reason"),
    [
        (((0, 99, "7.2"), (100, 103, "19.2"), (104, 300, "7.2")), ["7.2", "7.2"], SPIKE),
        (((0, 20, "32.27"), (21, 300, "40.22")), ["40.22"], TAKEN_BACK),
        (((0, 99, "98.32"), (100, 300, "55.04")), ["98.32", "55.04"], None),
        (((0, 20, "32.27"), (21, 300, "33.00")), ["32.27", "33.00"], None),
    ],
)
def test_a_list_price_that_its_own_list_takes_back_is_a_slip(prices, kept, reason):
    found, counts = without_slips(made(*prices))
    assert [str(one.row["amount"]) for one in found] == kept
    assert list(counts) == ([reason] if reason else [])


def test_a_market_price_may_move_as_it_likes():
    spot = made((0, 9, "1"), (10, 11, "4"), (12, 50, "1"), purchase_option="spot")
    assert without_slips(spot) == (spot, {})


def test_a_price_far_from_all_other_regions_is_no_price_of_the_machine():
    regions = [one for at in range(5) for one in made((0, 99, "3.67"), region=f"r{at}", offer_id=f"o{at}")]
    without_card = made((0, 99, "0.79"), region="r9", offer_id="o9")
    found, counts = without_slips([*regions, *without_card])
    assert found == regions
    assert counts == {FAR_OFF: 1}


def test_a_commitment_that_saves_nothing_is_none():
    on_demand = made((0, 99, "10"))
    promise = made(
        (0, 99, "7154"), purchase_option="reserved", term_months=Decimal(12), unit="month", offer_id="b"
    )
    found, counts = without_slips([*on_demand, *promise])
    assert (found, counts) == (on_demand, {NO_DISCOUNT: 1})

"""The panel index: matched offers, one vote per provider, withheld below a panel (docs/methodology.md)."""

import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuledger.core.price_index import VOTE_CAP, IndexDay, ProviderDay, chained, index_on

FIRST = date(2025, 6, 1)
NAMES = ("aws", "azure", "coreweave", "gcp", "lambda", "runpod")


def shown(day: int, provider: str, change: float = 0.0, *, usd: str = "2", offers: int = 3) -> ProviderDay:
    return ProviderDay(
        day=FIRST + timedelta(day),
        provider=provider,
        matched_offers=offers,
        log_change=change,
        cheapest_usd_per_gpu_hour=Decimal(usd),
    )


def panel(days: int, providers=NAMES, changes=None) -> list[ProviderDay]:
    changes = changes or {}
    return [
        shown(day, name, changes.get((day, name), 0.0), offers=3 if day else 0)
        for day in range(days)
        for name in providers
    ]


def on_demand(rows) -> list[IndexDay]:
    return chained(rows, purchase_option="on_demand")


def test_a_cut_of_one_provider_counts_as_one_vote_of_six():
    rows = on_demand(panel(5, changes={(2, "aws"): math.log(55.04 / 98.32)}))
    assert [row.state for row in rows] == ["published"] * 5
    assert rows[1].index == pytest.approx(100)
    assert rows[2].index == pytest.approx(100 * (55.04 / 98.32) ** (1 / 6))
    assert rows[4].index == rows[2].index


def test_a_provider_that_is_read_for_the_first_time_moves_the_floor_and_not_the_index():
    rows = on_demand([*panel(4), shown(2, "vast", usd="0.5", offers=0), shown(3, "vast", usd="0.5")])
    assert [row.index for row in rows] == [pytest.approx(100)] * 4
    assert rows[1].floor_usd_per_gpu_hour == 2
    assert (rows[2].floor_usd_per_gpu_hour, rows[2].floor_provider) == (Decimal("0.5"), "vast")


def test_fewer_than_three_votes_withhold_a_day_and_say_why():
    rows = on_demand([*panel(2, NAMES[:3]), shown(2, "aws"), shown(2, "azure", math.log(0.5))])
    assert (rows[2].state, rows[2].reason) == ("withheld", "2 providers with offers to compare, 3 needed")
    assert rows[2].index == rows[1].index


def test_two_votes_are_enough_for_spot():
    rows = chained(panel(2, NAMES[:2]), purchase_option="spot")
    assert [row.state for row in rows] == ["published", "published"]


def test_a_change_seen_while_days_were_withheld_is_in_the_next_published_day():
    names = NAMES[:3]
    rows = on_demand(
        [
            *panel(2, names),
            shown(2, "aws", math.log(0.8)),
            *(shown(3, name) for name in names),
        ]
    )
    assert [row.state for row in rows] == ["published", "published", "withheld", "published"]
    assert rows[3].index == pytest.approx(100 * 0.8 ** (1 / 3))


def test_days_on_which_nothing_was_read_are_carried():
    rows = on_demand([*panel(2), *(shown(4, name) for name in NAMES)])
    assert [row.state for row in rows] == ["published", "published", "carried", "carried", "published"]
    assert rows[2].providers == 0


def test_wide_disagreement_withholds_the_day():
    changes = {
        (1, name): math.log(factor) for name, factor in zip(NAMES, (0.5, 0.5, 0.5, 2, 2, 2), strict=True)
    }
    row = on_demand(panel(2, changes=changes))[1]
    assert row.state == "withheld"
    assert "disagree" in (row.reason or "")


def test_a_year_without_a_panel_begins_another_chain():
    rows = on_demand([*panel(2), *(shown(day, name) for day in (400, 401) for name in NAMES)])
    assert [rows[1].chain, rows[401].chain] == [1, 2]
    assert rows[401].index == 100


def test_the_price_of_the_index_is_the_median_of_the_cheapest_on_its_last_day():
    prices = dict(zip(NAMES, ("1", "2", "3", "4", "5", "9"), strict=True))
    rows = on_demand(
        [
            shown(day, name, math.log(0.5) if (day, name) == (1, "aws") else 0.0, usd=prices[name])
            for day in range(3)
            for name in NAMES
        ]
    )
    assert rows[2].usd_per_gpu_hour == Decimal("3.5")
    assert float(rows[0].usd_per_gpu_hour) == pytest.approx(3.5 * 2 ** (1 / 6), rel=1e-5)


changes_of_a_month = st.dictionaries(
    st.tuples(st.integers(1, 29), st.sampled_from(NAMES)), st.floats(-0.3, 0.3), max_size=30
)


@given(changes_of_a_month, st.randoms())
def test_the_order_in_which_days_are_told_never_matters(changes, random):
    rows = panel(30, changes=changes)
    mixed = list(rows)
    random.shuffle(mixed)
    assert on_demand(mixed) == on_demand(rows)


@given(
    changes_of_a_month,
    st.lists(st.sampled_from(range(30)), unique=True, max_size=20),
    st.integers(min_value=-1, max_value=31),
)
def test_the_index_on_a_day_is_the_row_of_that_day_without_its_price(changes, unread, day):
    rows = [row for row in panel(30, changes=changes) if (row.day - FIRST).days not in unread]
    at = FIRST + timedelta(day)
    found = next((replace(row, usd_per_gpu_hour=None) for row in on_demand(rows) if row.day == at), None)
    assert index_on(rows, at, purchase_option="on_demand") == found


@given(st.lists(st.lists(st.sampled_from(NAMES), unique=True, min_size=3), min_size=2, max_size=30))
def test_who_is_read_on_which_day_alone_never_moves_the_index(readings):
    rows = [
        shown(day, name, usd=str(1 + NAMES.index(name)))
        for day, names in enumerate(readings)
        for name in names
    ]
    assert {row.index for row in on_demand(rows)} == {100.0}


@given(changes_of_a_month, st.sampled_from(NAMES))
def test_a_provider_removed_or_doubled_moves_a_day_by_less_than_its_vote(changes, name):
    whole = panel(30, changes=changes)
    without = [row for row in whole if row.provider != name]
    doubled = [
        *whole,
        *(shown(day, "zz-twin", changes.get((day, name), 0.0), offers=3 if day else 0) for day in range(30)),
    ]
    ends = [on_demand(rows) for rows in (whole, without, doubled)]
    for day in range(1, 30):
        steps = [math.log(rows[day].index / rows[day - 1].index) for rows in ends]
        if all(rows[other].state == "published" for rows in ends for other in range(day + 1)):
            vote = abs(changes.get((day, name), 0.0)) + max(
                (abs(change) for (when, _), change in changes.items() if when == day), default=0.0
            )
            assert abs(steps[1] - steps[0]) <= vote / 5 + 1e-9
            assert abs(steps[2] - steps[0]) <= vote / 6 + 1e-9


@given(changes_of_a_month, st.lists(st.floats(-9, 9), min_size=30, max_size=30))
def test_a_hostile_provider_of_six_stays_within_the_band_and_the_cap(changes, lies):
    honest = {key: change for key, change in changes.items() if key[1] != "vast"}
    hostile = honest | {(day, "vast"): lie for day, lie in enumerate(lies)}
    names = (*NAMES[:5], "vast")
    with_lies = on_demand(panel(30, names, hostile))
    without = on_demand(panel(30, NAMES[:5], honest))
    for day in range(1, 30):
        row, before = with_lies[day], with_lies[day - 1]
        assert row.low <= row.index <= row.high
        if all(rows[other].state == "published" for rows in (with_lies, without) for other in range(day + 1)):
            assert row.low <= without[day].index * (1 + 1e-9)
            assert row.high >= without[day].index * (1 - 1e-9)
            step = math.log(row.index / before.index) - math.log(without[day].index / without[day - 1].index)
            assert abs(step) <= 2 * VOTE_CAP / 6


@given(changes_of_a_month, st.integers(1, 29), st.booleans(), st.floats(-0.3, 0.3))
def test_a_newcomer_has_no_vote_on_the_day_it_comes(changes, day, has_a_past, its_change):
    """Neither one without a price before, nor one whose change happened before the chain knew it."""
    whole = panel(30, changes=changes)
    newcomer = shown(day, "zz-new", its_change if has_a_past else 0.0, offers=3 if has_a_past else 0)
    ends = [on_demand(rows)[day] for rows in (whole, [*whole, newcomer])]
    assert ends[0].index == ends[1].index
    assert ends[0].providers == ends[1].providers

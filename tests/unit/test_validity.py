"""The rule for what a price may be relied on for: in SQL and in Python the same, and its edges."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core import validity
from gpuledger.core.store import sql
from tests.depth import examples

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def macros() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(sql.text("views/12_price_state"))
    return connection


instants = st.integers(-10, 10).map(lambda hours: NOW + timedelta(hours=hours))


@settings(max_examples=examples(300), deadline=None)
@given(
    is_recorded=st.booleans(),
    fresh_until=instants,
    lapses_at=st.none() | instants,
    is_unlisted=st.booleans(),
    availability=st.sampled_from(["available", "limited", "sold_out", "unknown"]),
)
def test_sql_and_python_give_one_price_one_state(
    macros, is_recorded, fresh_until, lapses_at, is_unlisted, availability
):
    row = macros.execute(
        "select price_state($instant::timestamptz, $recorded::boolean, $fresh::timestamptz, $lapses::timestamptz,"
        " $unlisted::boolean, $availability::varchar) as state, state_rank(state)",
        {
            "instant": NOW,
            "recorded": is_recorded,
            "fresh": fresh_until,
            "lapses": lapses_at,
            "unlisted": is_unlisted,
            "availability": availability,
        },
    ).fetchone()
    state = validity.price_state(
        NOW,
        is_recorded=is_recorded,
        fresh_until=fresh_until,
        lapses_at=lapses_at,
        is_unlisted=is_unlisted,
        availability=availability,
    )
    assert row == (state, validity.state_rank(state))


@settings(max_examples=examples(200), deadline=None)
@given(
    option=st.sampled_from(["on_demand", "spot", "reserved", "capacity_block"]),
    tier=st.sampled_from([None, "secure", "community"]),
    provider=st.sampled_from(["aws", "runpod", *validity.MARKETPLACES]),
    gpu_count=st.sampled_from(["0.25", "1", "8"]).map(Decimal),
    least_ordered=st.none() | st.integers(1, 16),
    most_ordered=st.none() | st.integers(1, 16),
    least=st.none() | st.integers(1, 16),
    most=st.none() | st.integers(1, 16),
)
def test_sql_and_python_agree_on_horizons_and_orders(
    macros, option, tier, provider, gpu_count, least_ordered, most_ordered, least, most
):
    row = macros.execute(
        "select price_horizon($option, $tier, $provider), sells_count($count::decimal(12, 4), $low::integer,"
        " $high::integer, $least::double, $most::double),"
        " order_gpus($count::decimal(12, 4), $low::integer, $high::integer, $least::double)",
        {
            "option": option,
            "tier": tier,
            "provider": provider,
            "count": gpu_count,
            "low": least_ordered,
            "high": most_ordered,
            "least": least,
            "most": most,
        },
    ).fetchone()
    horizon = validity.horizon(option, tier, provider)
    sells = validity.sells_count(gpu_count, least_ordered, most_ordered, least, most)
    ordered = validity.order_gpus(gpu_count, least_ordered, most_ordered, least)
    assert row == (horizon, sells, ordered)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Pacific/Auckland"])
def test_a_price_lapses_at_the_same_time_in_every_zone(macros, zone):
    before = macros.execute("select current_setting('timezone')").fetchone()[0]
    macros.execute(f"set timezone = '{zone}'")
    # over the change to summer time or back, in each of them
    for seen, option in (
        ("2026-03-01", "spot"),
        ("2026-09-20", "spot"),
        ("2026-10-20", "spot"),
        ("2026-01-15", "reserved"),
    ):
        (seconds,) = macros.execute(
            "select epoch($seen::timestamptz + price_horizon($option, null, 'aws')) - epoch($seen::timestamptz)",
            {"seen": f"{seen} 00:30:00+00", "option": option},
        ).fetchone()
        assert seconds == validity.horizon(option, None, "aws").total_seconds()
    macros.execute(f"set timezone = '{before}'")


EDGES = [
    ("seen just now", {}, "fresh"),
    ("at the last instant of its target", {"fresh_until": NOW}, "fresh"),
    ("a second past its target", {"fresh_until": NOW - SECOND}, "stale"),
    ("at the last instant of its horizon", {"fresh_until": NOW - SECOND, "lapses_at": NOW}, "stale"),
    ("a second past its horizon", {"fresh_until": NOW - SECOND, "lapses_at": NOW - SECOND}, "lapsed"),
    ("absent from the last run", {"is_unlisted": True}, "unlisted"),
    ("absent, and old", {"is_unlisted": True, "fresh_until": NOW - SECOND}, "unlisted"),
    ("sold out, and old", {"availability": "sold_out", "fresh_until": NOW - SECOND}, "sold_out"),
    ("sold out for years", {"availability": "sold_out", "lapses_at": NOW - SECOND}, "lapsed"),
    (
        "confirmed later",
        {"is_recorded": True, "fresh_until": NOW - SECOND, "lapses_at": NOW - SECOND},
        "recorded",
    ),
    ("confirmed later, sold out then", {"is_recorded": True, "availability": "sold_out"}, "sold_out"),
]


@pytest.mark.parametrize(("what", "seen", "state"), EDGES, ids=[edge[0] for edge in EDGES])
def test_the_worst_state_that_applies_is_the_state(what, seen, state):
    usual = {
        "is_recorded": False,
        "fresh_until": NOW + SECOND,
        "lapses_at": NOW + timedelta(days=30),
        "is_unlisted": False,
        "availability": "available",
    }
    assert validity.price_state(NOW, **(usual | seen)) == state


@pytest.mark.parametrize(
    ("observed_at", "is_refused"),
    [
        (NOW, False),
        (NOW + timedelta(days=1), False),
        (NOW + timedelta(days=1, seconds=1), True),
        (datetime(2006, 1, 1, tzinfo=UTC), False),
        (datetime(2005, 12, 31, 23, 59, tzinfo=UTC), True),
        (datetime(1, 1, 1, tzinfo=UTC), True),
    ],
)
def test_nothing_is_seen_in_the_future_or_before_there_was_a_cloud(observed_at, is_refused):
    assert (validity.implausible_time(observed_at, NOW) is not None) == is_refused

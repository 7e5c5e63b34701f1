"""How often prices still held at an age: counted from what the ledger saw end, and from what stands."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuledger.core.alias import Aliases
from gpuledger.core.offer import ExchangeRate
from gpuledger.core.store import older_price, sql
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.older_price import survival
from gpuledger.core.store.publish import write_latest
from gpuledger.core.store.record import record
from gpuledger.core.store.rollups import derive
from tests.depth import examples
from tests.store.conftest import an_offer as make_offer

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def watched(books_in, tmp_path_factory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Ten days of a look every six hours. a: changes after one day, then after four more; b: stands; c: withdrawn on
    the third day; d: new on the ninth."""
    books = books_in(tmp_path_factory.mktemp("survival"))
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection, sources=books.sources, aliases=books.aliases)
        for look in range(41):
            day = look / 4
            shown = {"a": 2 if day < 1 else 3 if day < 5 else 4, "b": 5}
            if day < 2:
                shown["c"] = 7
            if day >= 9:
                shown["d"] = 1
            offers = (make_offer(sku, usd) for sku, usd in shown.items())
            record(connection, books.batch(*offers, at=DAY_ONE + look * 6 * HOUR), Aliases(books.aliases))
        derive(connection, now=DAY_ONE + timedelta(days=11, hours=1))
        write_latest(connection)
        published_at = DAY_ONE + timedelta(days=11, hours=1)
        connection.execute(sql.text("publish/30_snapshot"), {"number": 1, "published_at": published_at})
        yield connection


def told(connection: duckdb.DuckDBPyConnection, hours: float, **more) -> list[float]:
    """The share that held longer, the prices watched beyond that age, and those that ended until it."""
    named = {"cases": f"runpod,on_demand,{hours!r}", "as_of": more.get("as_of")}
    (row,) = sql.rows(connection, "queries/price_survival", named)
    return [round(row["share"], 4), row["watched"], row["ends"]]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        # a thrice, b, c and d were all watched for half a day
        (12, [1.0, 6, 0]),
        # the first price of a was seen for 18 hours and another at 24: it ended in the middle, one of six
        (21, [0.8333, 5, 1]),
        # d was watched for 24 hours alone, which says nothing of longer lives: c ended at 51, one of four
        (24, [0.8333, 4, 1]),
        (51, [round(5 / 6 * 3 / 4, 4), 3, 2]),
        # the second price of a ended at 93, one of three
        (93, [round(5 / 6 * 3 / 4 * 2 / 3, 4), 2, 3]),
        # beyond the last sight of b and of the third of a nobody knows
        (30 * 24, [round(5 / 6 * 3 / 4 * 2 / 3, 4), 0, 3]),
    ],
)
def test_the_share_that_held_is_the_product_limit_estimate(watched, hours, expected):
    assert told(watched, hours) == expected


def test_a_share_is_told_with_what_it_rests_on(monkeypatch, watched):
    case = ("runpod", "on_demand", 51.0)
    assert survival(watched, [case])[case].startswith(
        "too few to tell (5): of prices of runpod, on demand, 2 ended"
    )
    monkeypatch.setattr(older_price, "LEAST_PRICES", 5)
    monkeypatch.setattr(older_price, "LEAST_WATCHED", 3)
    assert survival(watched, [case])[case] == (
        "62 % of 5 prices of runpod, on demand, held longer than that (product-limit estimate;"
        " 3 were watched beyond it)"
    )


def test_nothing_is_said_of_what_was_never_watched(watched):
    case = ("nobody", "spot", 5.0)
    assert survival(watched, [case]) == {}


def test_of_a_past_moment_only_what_had_ended_by_then_counts(watched):
    """a had ended once and c; the second price of a stood for three days, b for four."""
    at = DAY_ONE + timedelta(days=4)
    assert told(watched, 36, as_of=at)[1:] == [3, 1]
    assert told(watched, 36, as_of=at)[0] == 0.75


@pytest.mark.parametrize(("provider", "watched_then"), [("vast", 0), ("lambda", 4)])
def test_a_price_that_lapsed_began_its_own_horizon_before(watched, provider, watched_then):
    """What lapsed on 11 July was first seen ten days and its horizon before: on 1 June of a marketplace, else on 2
    January."""
    watched.execute(
        "insert into price_end_day values (date '2026-07-11', $1, 'on_demand', 240, null, 4)", [provider]
    )
    named = {"cases": f"{provider},on_demand,24", "as_of": datetime(2026, 5, 15, tzinfo=UTC)}
    rows = sql.rows(watched, "queries/price_survival", named)
    watched.execute("delete from price_end_day where provider = $1", [provider])
    assert sum(row["watched"] for row in rows) == watched_then


def by_hand(lives: list[tuple[float, bool]], age: float) -> float:
    """Kaplan and Meier 1958, equation 2b, over lives of so many hours, each ended or not."""
    share = 1.0
    for hours in sorted({hours for hours, is_end in lives if is_end and hours <= age}):
        watched = sum(other >= hours for other, _ in lives)
        share *= 1 - sum(other == hours and is_end for other, is_end in lives) / watched
    return share


LIVES = st.lists(st.tuples(st.integers(1, 160), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=examples(10), deadline=None)
@given(lives=LIVES, age=st.integers(0, 170))
def test_the_estimate_is_that_of_the_formula(watched, lives, age):
    watched.execute("delete from price_end_day where provider = 'vast'")
    rows = [("2026-01-10", "vast", "spot", hours, hours if is_end else None, 1) for hours, is_end in lives]
    watched.executemany("insert into price_end_day values (?, ?, ?, ?, ?, ?)", rows)
    (row,) = sql.rows(watched, "queries/price_survival", {"cases": f"vast,spot,{age}", "as_of": None})
    assert row["share"] == pytest.approx(by_hand(lives, age))
    assert (row["watched"], row["ends"]) == (
        sum(hours > age for hours, _ in lives),
        sum(hours <= age and is_end for hours, is_end in lives),
    )


def ends_told(books, an_offer, *steps: tuple[float, str]) -> list[tuple[int | None]]:
    """A list with one offer of a provider that bills in euros elsewhere: day and price in dollars; rates of 1.10
    until the fifth day, then 1.20."""
    rates = [
        ExchangeRate(currency="EUR", rate_date=date(2026, 1, day), usd_per_unit=Decimal(usd))
        for day, usd in ((1, "1.10"), (5, "1.20"))
    ]
    books.run(an_offer("live", 3, currency="EUR", provider="verda"), at=DAY_ONE, side_facts=rates)
    books.run(
        *(
            an_offer(
                "a", usd, provider="verda", observed_at=DAY_ONE + timedelta(days=day), availability="unknown"
            )
            for day, usd in steps
        ),
        source="list",
        at=DAY_ONE + timedelta(days=20),
    )
    with books.writing() as connection:
        write_latest(connection)
        derive(connection, now=DAY_ONE + timedelta(days=20, hours=1))
        return connection.execute(
            "select ended_hours from price_end_day where provider = 'verda' and ended_hours is not null"
        ).fetchall()


@pytest.mark.parametrize(
    ("after", "ends"),
    # 2.20 is 2.00 euros on the second day, 2.40 on the sixth; a converter may be half a percent off
    [("2.40", []), ("2.409", []), ("2.60", [(96,)]), ("2.00", [(96,)])],
)
def test_a_price_that_moved_as_the_rate_did_has_not_ended(books, an_offer, after, ends):
    assert ends_told(books, an_offer, (1, "2.20"), (5, after)) == ends

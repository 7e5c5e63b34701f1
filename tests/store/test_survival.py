"""How often prices still held at an age: counted from what the ledger saw end, and from what stands."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from gpuledger.core.alias import Aliases
from gpuledger.core.store import sql
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.older_price import survival
from gpuledger.core.store.publish import write_latest
from gpuledger.core.store.record import record
from gpuledger.core.store.rollups import derive
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


def held(connection: duckdb.DuckDBPyConnection, hours: float, **more) -> str | None:
    case = ("runpod", "on_demand", hours)
    return survival(connection, [case], **more).get(case)


@pytest.mark.parametrize(
    ("hours", "share"),
    [
        # a thrice, b, c and d were all watched for half a day
        (12, "6 of 6"),
        # the first price of a was seen for 18 hours and another at 24: nobody knows
        (24, "5 of 5"),
        # it was gone by then; d is too young to tell
        (48, "4 of 5"),
        # c was gone after 54
        (60, "3 of 5"),
        # the second price of a ended after four days
        (5 * 24, "2 of 5"),
        (9.5 * 24, "1 of 4"),
        (30 * 24, "0 of 3"),
    ],
)
def test_the_share_of_prices_that_held_is_counted_from_the_ledger(watched, hours, share):
    assert held(watched, hours) == f"{share} on_demand prices of runpod still held at that age"


def test_nothing_is_said_of_what_was_never_watched(watched):
    case = ("nobody", "spot", 5.0)
    assert survival(watched, [case]) == {}


def test_of_a_past_moment_only_what_had_ended_by_then_counts(watched):
    at = DAY_ONE + timedelta(days=4)
    assert held(watched, 36, as_of=at) == "1 of 2 on_demand prices of runpod still held at that age"

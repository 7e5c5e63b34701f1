"""A list may hold rows that are decades apart: deriving the days between walks over what prices reach into, and over
nothing else."""

from datetime import UTC, date, datetime, timedelta

import pytest

from gpuledger.core.store import rollups
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import describe_offers

OLD, YOUNG = datetime(2006, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    """The days follow from the log, wherever that lies."""
    return Home(tmp_path / "home")


@pytest.fixture
def steps(monkeypatch):
    """The spans of days that were derived, in order."""
    taken = []
    derive_votes = rollups.derive_votes

    def noted(connection, *, start, stop):
        taken.append((start, stop))
        derive_votes(connection, start=start, stop=stop)

    monkeypatch.setattr(rollups, "derive_votes", noted)
    # as of a ledger with many offers: half a year in one step
    monkeypatch.setattr(rollups, "_days_at_once", lambda connection: 182)
    return taken


def days(books) -> list[tuple]:
    return books.ask("select distinct price_date from gpu_price_day order by 1")


def test_years_that_no_price_reaches_into_are_passed_over(books, an_offer, steps):
    books.run(
        an_offer("a", "2.5", observed_at=OLD),
        an_offer("a", "2.6", observed_at=YOUNG),
        source="list",
        at=NOW,
    )
    books.publish()
    # some of 2006, whose price ages for half a year, and some of 2026
    assert len(steps) <= 3
    assert steps[0][0] == OLD.date()
    assert steps[-1] == (YOUNG.date(), NOW.date())
    assert not [day for (day,) in days(books) if date(2007, 6, 1) < day < YOUNG.date()]
    assert (OLD.date(),) in days(books)
    assert (YOUNG.date(),) in days(books)


@pytest.mark.deep
def test_the_days_are_those_of_a_walk_over_every_year(books, an_offer, monkeypatch, tmp_path):
    old = datetime(2023, 3, 1, tzinfo=UTC)
    sights = [
        ("a", "2.5", 0),
        ("a", "2.5", 160),
        ("b", "3", 30),
        ("b", "3.1", 900),
        ("c", "9", 901),
        ("a", "2.5", 1300),
    ]
    seen = [an_offer(sku, usd, observed_at=old + timedelta(days=day)) for sku, usd, day in sights]
    books.run(*seen, source="list", at=NOW)
    walked = derived(books, monkeypatch, every_year=True, offer_days=0)
    assert walked == derived(books, monkeypatch, every_year=False, offer_days=0)
    assert walked == derived(books, monkeypatch, every_year=False, offer_days=rollups.OFFER_DAYS_AT_ONCE)
    assert all(walked.values())


def derived(books, monkeypatch, *, every_year: bool, offer_days: int) -> dict[str, list[tuple]]:
    """The tables by day, derived from the first day on."""
    tables = ("gpu_price_day", "gpu_vote_day", "price_end_day", "gpu_index_day")
    with monkeypatch.context() as patch, books.writing() as connection:
        if every_year:
            patch.setattr(rollups, "_next_day", lambda connection, start: start)
        patch.setattr(rollups, "OFFER_DAYS_AT_ONCE", offer_days)
        describe_offers(connection)
        connection.execute("delete from derived")
        rollups.derive(connection, now=NOW)
        return {table: connection.execute(f"from {table} order by all").fetchall() for table in tables}


def test_a_live_price_that_every_run_confirms_is_derived_on_every_day(books, an_offer, steps):
    for month in range(14):
        books.run(an_offer("a", "2.5"), at=datetime(2025, 9, 1, tzinfo=UTC) + timedelta(days=30 * month))
    books.publish()
    reached = {start + timedelta(days=n) for start, stop in steps for n in range((stop - start).days)}
    assert len(reached) == 30 * 13

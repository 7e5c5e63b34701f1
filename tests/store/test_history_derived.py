# ruff: noqa: E501 - queries
"""What publishing keeps beside the logs never changes an answer, and follows a late import back."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from gpuledger.core.store import history as history_module
from gpuledger.core.store import rollups as derive_module
from gpuledger.core.store.history import price_moves
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.offers import OfferQuery
from gpuledger.core.store.publish import describe_offers
from gpuledger.core.store.rollups import check_rollups, derive
from gpuledger.core.store.sql import prepare
from tests.benchmarks import synthetic_year as year

OFFERS = 300
HOURS = 96

AS_OF = (
    "select offer_id, amount, valid_from, availability, last_seen_at, run_no from offers_as_of($as_of::timestamptz)"
    " order by offer_id"
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("derived") / "ledger.duckdb"
    with duckdb.connect(str(path)) as connection:
        prepare(connection)
        migrate(connection, sources=[year.source_row()], aliases=())
        for hour in range(HOURS):
            table = year.seen(connection, hour, OFFERS)
            # Offers leave and return, so that withdrawals and stock lie on both sides of a checkpoint.
            shown = OFFERS - 20 if 30 <= hour < 50 else OFFERS
            year.record_hour(connection, hour, table.slice(0, shown))
        describe_offers(connection)
    return path


@pytest.fixture
def ledger(recorded, tmp_path):
    path = shutil.copy(recorded, tmp_path / "ledger.duckdb")
    with duckdb.connect(str(path)) as connection:
        prepare(connection)
        yield connection


def answers(connection, *, every: int) -> list[list[tuple]]:
    return [
        connection.execute(AS_OF, {"as_of": year.at_hour(hour) + timedelta(minutes=30)}).fetchall()
        for hour in range(0, HOURS, every)
    ]


@pytest.mark.parametrize("every", [61, pytest.param(7, marks=pytest.mark.deep)])
def test_checkpoints_change_no_answer_about_the_past(ledger, monkeypatch, every):
    before = answers(ledger, every=every)
    monkeypatch.setattr(derive_module, "ROWS_APART", 200)
    derive(ledger, now=year.at_hour(HOURS))
    (count,) = ledger.execute("select count(distinct checkpoint_at) from price_checkpoint").fetchone()
    assert count == 4, "one at the end of each day"
    assert answers(ledger, every=every) == before


def test_a_withdrawn_offer_is_gone_between_its_leaving_and_its_return(ledger):
    def on_sale(hour: int) -> int:
        return len(ledger.execute(AS_OF, {"as_of": year.at_hour(hour)}).fetchall())

    assert [on_sale(hour) for hour in (29, 30, 31, 49, 50)] == [300, 300, 280, 280, 300]


@pytest.mark.parametrize(
    "text", ["2025-01-02 12:00:00+00", "2025-01-02 13:00:00+01", "2025-01-02 02:30:00-09:30"]
)
def test_a_time_means_the_same_in_every_zone(ledger, text):
    expected = ledger.execute(AS_OF, {"as_of": datetime(2025, 1, 2, 12, tzinfo=UTC)}).fetchall()
    assert ledger.execute(AS_OF, {"as_of": text}).fetchall() == expected


def test_the_time_of_a_change_itself_belongs_to_the_new_price(ledger):
    offer_id, changed_at, amount = ledger.execute(
        "select offer_id, price_change.observed_at, amount from price_change inner join offer using (offer_no)"
        " where run_no = 6 order by offer_no limit 1"
    ).fetchone()

    def price(at: datetime) -> Decimal:
        rows = ledger.execute(AS_OF, {"as_of": at}).fetchall()
        return next(row[1] for row in rows if row[0] == offer_id)

    assert price(changed_at) == amount
    assert price(changed_at - timedelta(microseconds=1)) != amount


def test_the_day_of_a_gpu_is_that_of_the_offers_in_force_at_its_end(ledger):
    derive(ledger, now=year.at_hour(HOURS))
    for day in (date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 4)):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, microseconds=-1)
        expected = ledger.execute(
            "select gpu_id, purchase_option, count(*), min(usd_per_gpu_hour), count(distinct provider)"
            " from offers_as_of($at::timestamptz) group by all order by all",
            {"at": midnight},
        ).fetchall()
        found = ledger.execute(
            "select gpu_id, purchase_option, offers, min_usd_per_gpu_hour, providers from gpu_price_day"
            " where price_date = $day and provider is null order by all",
            {"day": day},
        ).fetchall()
        assert found == expected
        assert len(found) > 50


def test_the_day_of_a_provider_is_that_of_its_offers_alone(ledger):
    derive(ledger, now=year.at_hour(HOURS))
    midnight = datetime(2025, 1, 3, tzinfo=UTC) - timedelta(microseconds=1)
    expected = ledger.execute(
        "select gpu_id, purchase_option, provider, count(*), min(usd_per_gpu_hour),"
        " quantile_disc(usd_per_gpu_hour, 0.25), quantile_disc(usd_per_gpu_hour, 0.75)"
        " from offers_as_of($at::timestamptz) group by all order by all",
        {"at": midnight},
    ).fetchall()
    found = ledger.execute(
        "select gpu_id, purchase_option, provider, offers, min_usd_per_gpu_hour, p25_usd_per_gpu_hour,"
        " p75_usd_per_gpu_hour from gpu_price_day where price_date = date '2025-01-02' and provider is not null"
        " order by all"
    ).fetchall()
    assert found == expected
    assert len({row[2] for row in found}) > 5


def test_history_from_a_time_on_is_the_end_of_the_whole_history(ledger, monkeypatch):
    """Reading begins at a checkpoint; the intervals that reach beyond the time are the same."""
    monkeypatch.setattr(derive_module, "ROWS_APART", 200)
    derive(ledger, now=year.at_hour(HOURS))
    since = year.at_hour(HOURS - 30)
    nobody = "null::varchar[], null::varchar[], null::varchar, null::varchar[], null::varchar[], null, null"
    reaching = "where valid_to is null or valid_to > $since::timestamptz order by all"
    found = ledger.execute(
        f"select * from price_history_wanted({nobody}, $since::timestamptz) {reaching}", {"since": since}
    ).fetchall()
    assert found == ledger.execute(f"select * from price_history {reaching}", {"since": since}).fetchall()
    assert len(found) > 100
    assert ledger.execute("select count(*) from price_checkpoint").fetchone()[0] > 0


MOVES = [
    pytest.param(OfferQuery(max_rows=5), 0, HOURS, marks=pytest.mark.deep),
    (OfferQuery(max_rows=40), 0, HOURS),
    pytest.param(OfferQuery(max_rows=5000), 0, HOURS, marks=pytest.mark.deep),
    pytest.param(OfferQuery(max_rows=10), 0, 51, marks=pytest.mark.deep),
    pytest.param(OfferQuery(max_rows=5000), 24, HOURS, marks=pytest.mark.deep),
    (OfferQuery(max_rows=5000), 48, 72),
    (OfferQuery(max_rows=30, providers=["provider_3"], min_gpu_count=4), 0, HOURS),
    pytest.param(OfferQuery(max_rows=30, providers=["nobody"]), 0, HOURS, marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("query", "first", "last"), MOVES)
def test_changes_are_the_newest_of_all_however_little_of_the_log_was_read(
    ledger, monkeypatch, query, first, last
):
    """Checkpoints are made between two changes of an offer, some at the very time of a change."""
    since, until = year.at_hour(first), year.at_hour(last)
    everything = replace(query, max_rows=10**6)
    expected = price_moves(ledger, everything, since=None, until=year.at_hour(HOURS))
    expected = [row for row in expected if since <= row["changed_at"] <= until][: query.max_rows]
    assert price_moves(ledger, query, since=since, until=until) == expected
    monkeypatch.setattr(derive_module, "ROWS_APART", 200)
    derive(ledger, now=year.at_hour(HOURS))
    for parts in ((1, 2), (2,), (3,)):
        monkeypatch.setattr(history_module, "PARTS", parts)
        assert price_moves(ledger, query, since=since, until=until) == expected
    assert expected or query.providers == ["nobody"]


def test_days_added_one_by_one_are_the_days_of_a_rebuild(ledger, monkeypatch):
    monkeypatch.setattr(derive_module, "ROWS_APART", 200)

    def kept() -> list[list[tuple]]:
        tables = ("gpu_price_day", "gpu_vote_day", "gpu_index_day", "price_end_day")
        return [ledger.execute(f"select * from {table} order by all").fetchall() for table in tables]

    for hour in (24, 48, 72, HOURS):
        derive(ledger, now=year.at_hour(hour))
    step_by_step = kept()
    assert all(step_by_step)
    ledger.execute(
        "delete from derived; delete from gpu_price_day; delete from gpu_vote_day; delete from price_end_day;"
        " delete from price_checkpoint"
    )
    derive(ledger, now=year.at_hour(HOURS))
    assert kept() == step_by_step


def test_a_late_row_sends_checkpoints_and_days_back_to_its_time(ledger, monkeypatch):
    monkeypatch.setattr(derive_module, "ROWS_APART", 200)
    derive(ledger, now=year.at_hour(HOURS))
    ledger.execute(
        "insert into price_change by name select timestamptz '2025-01-02 12:00:00+00' as observed_at, 1 as offer_no,"
        " 0.001::decimal(18, 6) as amount, 'USD' as currency, 'hour' as unit, 999 as run_no, 1 as document_no"
    )
    derive(ledger, now=year.at_hour(HOURS))
    row = ledger.execute(
        "select amount from price_checkpoint where offer_no = 1 and checkpoint_at = timestamptz '2025-01-03 00:00:00+00'"
    ).fetchone()
    assert row is None or row[0] is not None
    cheapest = ledger.execute(
        "select min(min_usd_per_gpu_hour) from gpu_price_day where price_date = date '2025-01-02'"
    ).fetchone()
    assert cheapest[0] < Decimal("0.01")


def test_the_checks_of_a_part_find_what_was_just_written_wrong(ledger, monkeypatch):
    derive(ledger, now=year.at_hour(HOURS))
    monkeypatch.setattr(derive_module, "CHECKED_WHOLE", 0)
    check_rollups(ledger)
    ledger.execute(
        "insert into price_change select observed_at, offer_no, amount, upfront_amount, currency, unit, effective_at,"
        " 999, document_no from price_change where run_no = 90 limit 1"
    )
    with pytest.raises(derive_module.StoreError, match="sql/checks/"):
        check_rollups(ledger)

"""The benchmark's shortcut writes what the recorder would have written."""

import duckdb
import pytest

from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.sql import prepare
from tests.benchmarks import synthetic_year as year

OFFERS = 300
HOURS = 30
LOG = "select * from price_change order by observed_at, offer_no"
STATE = "select * exclude (availability, stock_changed_at, shape_hash) from offer_current order by offer_no"


def ledger() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    prepare(connection)
    migrate(connection, sources=[year.source_row()], aliases=())
    year.record_hour(connection, 0, year.seen(connection, 0, OFFERS))
    return connection


@pytest.mark.deep
def test_a_year_written_at_once_is_the_year_recorded_hour_by_hour():
    with ledger() as recorded, ledger() as filled:
        for hour in range(1, HOURS):
            year.record_hour(recorded, hour, year.seen(recorded, hour, OFFERS))
        year.fill(filled, 1, HOURS, OFFERS)
        log = recorded.execute(LOG).fetchall()
        assert len(log) > OFFERS + HOURS
        assert filled.execute(LOG).fetchall() == log
        assert filled.execute(STATE).fetchall() == recorded.execute(STATE).fetchall()


def test_changes_come_in_the_published_proportions():
    with ledger() as filled:
        year.fill(filled, 1, 500, OFFERS)
        rows = dict(
            filled.execute(
                "select offer_no % 3 = 0, count(*)::double / 499 / (count(distinct offer_no))"
                " from price_change where run_no > 1 group by 1"
            ).fetchall()
        )
    assert rows[True] == pytest.approx(0.20, rel=0.05)
    assert rows[False] == pytest.approx(0.015, rel=0.05)

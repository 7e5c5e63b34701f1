"""The times at which a question over time is answered: each reckoned from the first."""

from datetime import UTC, datetime

import duckdb
import pytest

from gpuledger.core.store import sql


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(sql.text("views/09_steps_between"))
        yield connection


@pytest.mark.parametrize(
    ("start", "stop", "every", "steps"),
    [
        (
            "2026-01-31",
            "2026-05-31",
            "1 months",
            ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"],
        ),
        ("2026-02-01", "2026-03-01", "1 months", ["2026-02-01", "2026-03-01"]),
        ("2025-01-01", "2028-01-01", "12 months", ["2025-01-01", "2026-01-01", "2027-01-01", "2028-01-01"]),
        ("2024-02-29", "2028-02-29", "24 months", ["2024-02-29", "2026-02-28", "2028-02-29"]),
        ("2026-01-30", "2026-02-02", "2 days", ["2026-01-30", "2026-02-01"]),
        ("2026-01-01", "2026-01-01", "1 days", ["2026-01-01"]),
        ("2026-01-02", "2026-01-01", "1 days", []),
    ],
)
def test_every_step_is_so_many_intervals_after_the_first(connection, start, stop, every, steps):
    named = {"start": start, "stop": stop, "every": every, "most": 500}
    assert sql.first(connection, sql.text("queries/steps"), named) == (
        [datetime.fromisoformat(step).replace(tzinfo=UTC) for step in steps],
    )


def test_a_span_of_millennia_costs_no_more_than_the_steps_that_are_answered(connection):
    named = {"start": "0001-01-01", "stop": "2026-01-01", "every": "1 hours", "most": 500}
    (steps,) = sql.first(connection, sql.text("queries/steps"), named) or ([],)
    assert len(steps) == 501

"""When a source is polled: on everybody's grid, more rarely while it fails, and what passed is counted."""

from datetime import UTC, datetime, timedelta

import pytest

from gpuledger.core.errors import ConfigError
from gpuledger.flows import timetable
from gpuledger.flows.polling.schedule import PollTimes
from gpuledger.scrapers.registry import SOURCES, get
from tests.polling.markets import market, markets

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = datetime(2026, 11, 3, 9, 41, 17, tzinfo=UTC)


def grid(name: str, every: timedelta, at: datetime) -> datetime:
    return timetable.last_time(name, every, at)


def test_minutes_are_spread_over_the_minute():
    times = sorted(timetable.anchor(source.name, MINUTE).timestamp() % 60 for source in markets(200, MINUTE))
    in_ten_seconds = [sum(start <= time < start + 10 for time in times) for start in range(0, 60, 10)]
    assert len(set(times)) >= 198
    assert min(in_ten_seconds) >= 20


def test_a_source_is_read_at_each_of_its_times():
    pace, at = PollTimes(source=market(0, MINUTE), longest=HOUR), START
    for _ in range(5):
        planned = pace.next_at(at)
        assert planned == grid("market_000", MINUTE, planned)
        assert timedelta(0) < planned - at <= MINUTE
        at = planned + timedelta(seconds=2)
    assert pace.missed == 0


def test_a_source_of_long_intervals_that_is_due_is_read_at_once():
    pace = PollTimes(source=market(0, 30 * MINUTE), longest=HOUR)
    at = grid("market_000", 30 * MINUTE, START) + MINUTE
    assert pace.next_at(at) == at
    assert pace.next_at(at + MINUTE) == grid("market_000", 30 * MINUTE, START) + 30 * MINUTE
    served = PollTimes(source=market(0, 30 * MINUTE), longest=HOUR, run_at=at - MINUTE / 2)
    assert served.next_at(at) == grid("market_000", 30 * MINUTE, START) + 30 * MINUTE


def test_a_run_of_somebody_else_stands_for_the_time():
    planned = grid("market_000", MINUTE, START)
    for seconds, is_due in ((-60, True), (-10, False), (0, False), (20, False)):
        pace = PollTimes(source=market(0, MINUTE), longest=HOUR, run_at=planned + timedelta(seconds=seconds))
        assert pace.is_due(planned) is is_due, seconds


def test_times_that_passed_are_counted():
    pace = PollTimes(source=market(0, MINUTE), longest=HOUR)
    first = pace.next_at(START)
    assert pace.next_at(first + 3.5 * MINUTE) == first + 4 * MINUTE
    assert pace.missed == 3


@pytest.mark.parametrize(
    ("failures", "minutes"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)]
)
def test_a_source_that_fails_waits_twice_as_long_each_time(failures: int, minutes: int):
    pace = PollTimes(source=market(0, MINUTE), longest=HOUR)
    first = pace.next_at(START)
    pace.failures = failures
    assert pace.next_at(first + timedelta(seconds=1)) == first + minutes * MINUTE
    assert pace.missed == 0


def test_only_lively_markets_permit_minutes():
    permitted = {source.name for source in SOURCES if source.shortest < source.every}
    assert {"runpod", "vast", "aws_spot"} <= permitted
    assert all(get(name).every == HOUR for name in permitted)
    assert min(source.shortest for source in SOURCES) == MINUTE


def test_an_interval_that_is_set_changes_neither_target_nor_evidence():
    (polled,) = timetable.as_set([get("vast")], {"vast": MINUTE})
    assert (polled.every, polled.fresh_for) == (MINUTE, get("vast").fresh_for)
    assert timetable.is_polled(polled)
    assert timetable.as_set([get("vast"), get("ecb")], {}) == (get("vast"), get("ecb"))


@pytest.mark.parametrize(
    ("name", "every", "said"),
    [
        ("vast", timedelta(seconds=59), "59 s is not permitted; allowed: 1 min to 60 min"),
        ("vast", 2 * HOUR, "120 min is not permitted; allowed: 1 min to 60 min"),
        ("coreweave", MINUTE, "1 min is not permitted; allowed: none but its own 1440 min"),
    ],
)
def test_an_interval_that_a_source_does_not_permit_is_refused(name: str, every: timedelta, said: str):
    with pytest.raises(ConfigError, match=said):
        timetable.as_set([get(name)], {name: every})

"""When sources are read: at their own interval, whatever is restarted, and never all together."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpuledger.core.store.archive import Manifest, run_id
from gpuledger.flows import timetable
from gpuledger.scrapers.registry import SOURCES

FETCHED = [source for source in SOURCES if source.requests]
START = datetime(2026, 11, 3, 9, 41, 17, tzinfo=UTC)
MONTH = timedelta(days=30)


def test_no_two_sources_start_in_one_second_of_the_hour():
    seconds = {
        timetable.anchor(source.name, source.every).timestamp() % 3600: source.name for source in FETCHED
    }
    assert len(seconds) == len(FETCHED)


@pytest.mark.parametrize("source", FETCHED, ids=lambda source: source.name)
def test_times_lie_one_interval_apart_whenever_they_are_asked_for(source):
    times = {
        timetable.last_time(source.name, source.every, START + timedelta(minutes=7 * step))
        for step in range(3000)
    }
    gaps = {later - earlier for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)}
    assert gaps == {source.every}


class Month:
    """A timer that asks every five minutes, on a machine whose processes do not always live to the end."""

    def __init__(self, every: dict[str, timedelta]) -> None:
        self.every = every
        self.run_at: dict[str, datetime] = {}
        self.begun_at: dict[str, datetime] = {}
        self.reads: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.longest: dict[str, timedelta] = {}

    def tick(self, at: datetime, *, dies: bool = False) -> None:
        for name, every in self.every.items():
            if timetable.is_due(
                name, every, run_at=self.run_at.get(name), begun_at=self.begun_at.get(name), at=at
            ):
                self.begun_at[name] = at
                self.asked[name] += 1
                if not dies:
                    gap = at - self.run_at.get(name, at)
                    self.longest[name] = max(gap, self.longest.get(name, gap))
                    self.run_at[name] = at
                    self.reads[name] += 1


@pytest.mark.parametrize("first", [timedelta(hours=17 * step) for step in range(10)])
@pytest.mark.recovery
def test_a_month_with_a_restart_a_day_and_a_crash_loop(first: timedelta):
    """Every source is read as often as it declares, and none more than 1.2 times as often."""
    month = Month({source.name: source.every for source in FETCHED})
    start = START + first
    crashes_at = start + timedelta(days=11, hours=5)
    at = start
    while at < start + MONTH:
        restarts = (at - start) % timedelta(days=1) >= timedelta(hours=23, minutes=50)
        if crashes_at <= at < crashes_at + timedelta(hours=1):
            for second in range(0, 300, 15):
                month.tick(at + timedelta(seconds=second), dies=True)
        elif not restarts:
            month.tick(at)
        at += timedelta(minutes=5)
    for name, every in month.every.items():
        declared = MONTH / every
        # in the hour in which every process dies, nothing can be read
        lost = 1 if every <= timedelta(hours=1) else 0
        assert month.reads[name] >= int(declared) - lost, name
        assert month.reads[name] <= 1.2 * declared, name
        assert month.asked[name] <= month.reads[name] + 6, name
        assert month.longest[name] <= every * 1.3 + timedelta(hours=1, minutes=20), name


def test_what_was_never_read_is_due_at_once_and_then_at_its_time(world):
    every = world.ledger.sources[0].every
    found = timetable.due(world.ledger, world.ledger.sources)
    assert [source.name for source in found.sources] == ["runpod"]
    world.refresh(b'{"offers": []}')
    found = timetable.due(world.ledger, world.ledger.sources)
    assert found.sources == ()
    assert found.next_source == "runpod"
    assert found.next_at > world.clock()
    assert found.next_at <= world.clock() + every
    world.clock.forward(hours=2)
    assert timetable.due(world.ledger, world.ledger.sources).sources == world.ledger.sources


def test_a_process_that_dies_before_its_run_is_kept_does_not_ask_again_at_once(world):
    timetable.begin(world.ledger, world.ledger.sources)
    world.clock.forward(seconds=15)
    assert timetable.due(world.ledger, world.ledger.sources).sources == ()
    world.clock.forward(minutes=11)
    assert timetable.due(world.ledger, world.ledger.sources).sources == world.ledger.sources


def test_a_run_of_another_machine_counts(world):
    at = world.clock()
    world.ledger.archive.write_manifest(
        Manifest(run_id=run_id("runpod", at), source="runpod", started_at=at, observed_at=at, documents=())
    )
    assert timetable.due(world.ledger, world.ledger.sources).sources == ()


@pytest.mark.slow
def test_deployments_have_anchors_that_a_redeployment_does_not_move():
    pytest.importorskip("prefect")
    from gpuledger.flows.scheduled.deployments import deployment

    source = replace(FETCHED[0], every=timedelta(hours=6))
    first, second = (deployment(source).schedules[0].schedule for _ in range(2))
    assert first.anchor_date == second.anchor_date == timetable.anchor(source.name, source.every)
    assert first.interval == source.every


@pytest.mark.slow
def test_the_server_of_prefect_finds_the_next_times_of_every_deployment():
    """An audit and a compaction whose schedule it cannot read would never run, and nobody would be told."""
    pytest.importorskip("prefect")
    from prefect.server.schemas.schedules import IntervalSchedule

    from gpuledger.flows.scheduled.deployments import deployments, upkeep

    made = [*deployments(), *upkeep()]
    assert [one.name for one in made[-2:]] == ["hourly", "nightly"]
    for one in made:
        schedule = IntervalSchedule.model_validate(one.schedules[0].schedule.model_dump())
        first, second = asyncio.run(schedule.get_dates(2, start=START))
        assert START <= first < second == first + schedule.interval, one.name

"""A poller: each source once in an interval, many runs in one commit, nothing twice and nothing lost."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest

from gpuledger.core.document import Credential, Request
from gpuledger.core.errors import LeasedError
from gpuledger.core.store.archive import started_at
from gpuledger.core.store.database import turn_of_source
from gpuledger.core.store.leases import Leases
from gpuledger.flows import timetable
from gpuledger.flows.pipeline import fetch_source, refresh_sources
from gpuledger.flows.polling import recorder as recorder_module
from tests.polling.conftest import EVERY, now


def runs_of(trial) -> list[str]:
    return trial.ledger.archive.run_ids(None)


def recorded(trial) -> list[str]:
    return [run for (run,) in trial.rows("select run_id from scrape_run order by run_id")]


def most_in_one_interval(trial, every: timedelta = EVERY) -> int:
    times = Counter()
    for run in runs_of(trial):
        at, name = started_at(run)
        times[name, timetable.last_time(name, every, at)] += 1
    return max(times.values())


def test_sources_are_read_once_in_an_interval_and_recorded_once(trial):
    poller = trial.poller(trial.ledger.sources[:2])
    trial.poll_until(lambda: all(pace.reads >= 2 for pace in poller.paces.values()), poller)
    assert recorded(trial) == runs_of(trial)
    assert len(runs_of(trial)) == sum(pace.reads for pace in poller.paces.values())
    assert most_in_one_interval(trial) == 1
    assert trial.rows("select count(*), count(distinct outcome) from scrape_run") == [
        (len(runs_of(trial)), 1)
    ]
    assert sum(len(cycle.runs) for cycle in trial.cycles) == len(runs_of(trial))


def test_runs_that_changed_nothing_are_not_published_at_once(trial):
    def has_two_in_a_row() -> bool:
        """Cycles of runs that changed nothing, without a snapshot."""
        quiet = [
            cycle.snapshot is None and all(run.is_settled for run in cycle.runs) for cycle in trial.cycles
        ]
        return any(one and other for one, other in pairwise(quiet))

    trial.poll_until(has_two_in_a_row, trial.poller(trial.ledger.sources[:1]))
    # at the end readers see all that was recorded
    assert trial.cycles[-1].snapshot is not None
    assert recorded(trial) == runs_of(trial)


def test_runs_that_changed_nothing_are_published_after_a_while(trial, monkeypatch):
    monkeypatch.setattr(recorder_module, "QUIET", timedelta(0))
    poller = trial.poller(trial.ledger.sources[:1])
    trial.poll_until(lambda: all(pace.reads >= 2 for pace in poller.paces.values()), poller)
    assert all(cycle.snapshot is not None for cycle in trial.cycles)


@pytest.mark.parametrize("bytes_per_second", [1e12, 1.0], ids=["small", "large"])
def test_a_price_that_moved_is_published_unless_that_copies_too_much(trial, monkeypatch, bytes_per_second):
    monkeypatch.setattr(recorder_module, "BYTES_PER_SECOND", bytes_per_second)
    trial.markets.moves = 1.0

    def moved() -> list:
        return [
            cycle for cycle in trial.cycles if any(run.changes and not run.new_offers for run in cycle.runs)
        ]

    trial.poll_until(lambda: bool(moved()), trial.poller(trial.ledger.sources[:1]))
    assert (moved()[0].snapshot is not None) is (bytes_per_second > 1)
    # at the end readers see all that was recorded
    assert recorded(trial) == runs_of(trial)


def test_a_source_that_fails_is_told_and_asked_more_rarely(trial):
    trial.markets.fails = {"market_003"}
    declared = tuple(
        source if source.name != "market_003" else market_of_an_hour(source)
        for source in trial.ledger.sources
    )
    trial.ledger = trial.ledger.__class__(home=trial.ledger.home, sources=declared, clock=now)
    polled = timetable.as_set(declared, {"market_003": EVERY})
    poller = trial.poller(polled)
    others = [pace for name, pace in poller.paces.items() if name != "market_003"]
    trial.poll_until(lambda: all(pace.reads >= 5 for pace in others), poller)
    outcomes = trial.rows("select outcome, count(*) from scrape_run where source = 'market_003' group by all")
    assert outcomes == [("failed", poller.paces["market_003"].reads)]
    # after the first at the next time, then at every second and every fourth one
    times = [
        timetable.last_time(name, EVERY, at)
        for at, name in map(started_at, runs_of(trial))
        if name == "market_003"
    ]
    waited = [(later - earlier) // EVERY for earlier, later in pairwise(times)]
    assert waited
    assert all(count >= 2**number for number, count in enumerate(waited))
    assert trial.rows("select distinct outcome from scrape_run where source <> 'market_003'") == [
        ("accepted",)
    ]


def market_of_an_hour(source):
    from dataclasses import replace

    return replace(source, every=timedelta(hours=1), shortest=EVERY)


def test_a_source_whose_answers_are_not_believed_is_asked_more_rarely(trial):
    poller = trial.poller()
    pace = poller.paces["market_000"]
    assert pace.wait() == EVERY
    trial.markets.offers = 0
    trial.poll_until(lambda: pace.failures >= 1, poller)
    assert {run.outcome for cycle in trial.cycles for run in cycle.runs} == {"quarantined"}


def test_two_pollers_share_the_sources_out(trial):
    first, second = trial.poller(), trial.poller()
    trial.poll_until(
        lambda: all(first.paces[name].reads + second.paces[name].reads >= 3 for name in first.paces),
        first,
        second,
    )
    assert most_in_one_interval(trial) == 1
    both = [name for name in first.paces if first.paces[name].reads and second.paces[name].reads]
    assert both == []
    assert recorded(trial) == runs_of(trial)


def test_what_a_poller_gives_back_the_next_one_takes(trial):
    first = trial.poller()
    trial.poll_until(lambda: first.paces["market_000"].reads >= 1, first)
    assert Leases(home=trial.ledger.home, clock=now).living() == {}
    second = trial.poller()
    trial.poll_until(lambda: all(pace.reads >= 2 for pace in second.paces.values()), second)
    assert most_in_one_interval(trial) == 1


def test_a_refresh_leaves_alone_what_a_poller_reads(trial):
    leases = Leases(home=trial.ledger.home, clock=now)
    leases.take("a poller", ["market_000", "market_001"])
    assert [lease.source for lease in timetable.due(trial.ledger, trial.ledger.sources).leased] == [
        "market_000",
        "market_001",
    ]
    with httpx.Client(trust_env=False) as client:
        cycle = refresh_sources(trial.ledger, trial.ledger.sources[:3], trial.fetcher(client))
    assert {run.source: run.outcome for run in cycle.runs} == {
        "market_000": "skipped",
        "market_001": "skipped",
        "market_002": "accepted",
    }
    assert "market_000 is read by a poller, whose lease ends at" in next(
        run.error for run in cycle.runs if run.source == "market_000"
    )
    assert trial.markets.reads.keys() == {"market_002"}
    # what died gives back nothing, and loses it all the same
    later = trial.ledger.__class__(
        home=trial.ledger.home, sources=trial.ledger.sources, clock=lambda: now() + timedelta(seconds=91)
    )
    with httpx.Client(trust_env=False) as client:
        fetch_source(later, trial.ledger.sources[0], trial.fetcher(client))


def test_a_poller_leaves_alone_what_a_refresh_is_reading(trial):
    poller = trial.poller(lease=timedelta(seconds=0.3))
    with turn_of_source(trial.ledger.home, "market_000"):
        trial.poll_until(
            lambda: all(pace.reads >= 2 for name, pace in poller.paces.items() if name != "market_000"),
            poller,
        )
    assert poller.paces["market_000"].reads == 0


def test_what_was_fetched_after_the_lease_lapsed_is_not_kept(trial):
    poller = trial.poller(trial.ledger.sources[:1])
    poller.holder = "slow"

    async def read() -> None:
        pace = poller.paces["market_000"]
        with pytest.raises(LeasedError, match="the lease of market_000 has lapsed"):
            await poller._read(pace)

    asyncio.run(read())
    assert runs_of(trial) == []
    assert trial.markets.reads == {"market_000": 1}


def test_a_source_without_its_key_is_named_and_left_to_others(trial, caplog):
    from dataclasses import replace

    keyed = replace(
        trial.ledger.sources[0],
        requests=(Request(url="https://a.example/", credential=Credential(variable="A_KEY")),),
    )
    poller = trial.poller((keyed, *trial.ledger.sources[1:3]))
    trial.poll_until(lambda: poller.paces["market_001"].reads >= 2 and "A_KEY" in caplog.text, poller)
    assert {started_at(run)[1] for run in runs_of(trial)} == {"market_001", "market_002"}


def test_what_an_earlier_process_left_is_recorded_at_the_start(trial):
    with httpx.Client(trust_env=False) as client:
        left = fetch_source(trial.ledger, trial.ledger.sources[3], trial.fetcher(client))[0].run_id
    poller = trial.poller()
    trial.poll_until(lambda: bool(trial.cycles), poller)
    assert left in [run.run_id for run in trial.cycles[0].runs]

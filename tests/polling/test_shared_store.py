"""Pollers of two machines that share a store: leases are the catalogue's, and what one records the other sees."""

from dataclasses import replace

import httpx
import pytest

from gpuledger.core.store.leases import Leases
from gpuledger.flows.pipeline import refresh_sources
from gpuledger.flows.publish import publish_news
from tests.polling.conftest import Trial, now
from tests.polling.test_poller import most_in_one_interval, recorded, runs_of

pytestmark = pytest.mark.shared_store


def test_two_machines_share_the_sources_out(trial: Trial, postgres, tmp_path):
    address = postgres.empty_lake(tmp_path / "shared")
    home = replace(trial.ledger.home, path=tmp_path / "one", lake=address)
    one = Trial(replace(trial.ledger, home=home, sources=trial.ledger.sources[:2]), trial.markets)
    other = replace(one.ledger, home=replace(home, path=tmp_path / "other"))
    first, second = one.poller(), replace(one, ledger=other).poller()
    one.poll_until(
        lambda: all(first.paces[name].reads + second.paces[name].reads >= 2 for name in first.paces),
        first,
        second,
    )
    assert [name for name in first.paces if first.paces[name].reads and second.paces[name].reads] == []
    assert most_in_one_interval(one) == 1
    publish_news(one.ledger)
    assert recorded(one) == runs_of(one)
    assert Leases(home=home, clock=now).living() == {}

    Leases(home=home, clock=now).take("a poller", ["market_000"])
    with httpx.Client(trust_env=False) as client:
        cycle = refresh_sources(other, other.sources, one.fetcher(client))
    assert {run.source: run.outcome for run in cycle.runs} == {
        "market_000": "skipped",
        "market_001": "accepted",
    }

"""One machine without its share, one three days ahead, one a release behind: the others lose nothing, and an audit
names all three."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.errors import NotMountedError, OlderReleaseError
from gpuledger.core.store.shared import lake, machines
from gpuledger.flows.audit import audit_ledger
from gpuledger.flows.pipeline import refresh_sources
from gpuledger.scrapers.http.fetch import Fetcher
from tests.faults.fleet import COMMON, Fleet
from tests.postgres import Server

pytestmark = pytest.mark.shared_store


@pytest.fixture
def fleet(postgres: Server, tmp_path: Path):
    made = Fleet(postgres, tmp_path)
    yield made
    made.close()


def refuse(*_: object) -> None:
    """As the store of a newer release answers: its columns are not this program's."""
    raise OlderReleaseError(
        "the shared store has migrations/9999, which this machine's release does not know"
    )


def read(ledger, url: str):
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(attempts=1, wait_seconds=0, timeout_seconds=30),
            environ={},
            urls={COMMON: f"{url}/{COMMON}"},
            clock=ledger.clock,
        )
        return refresh_sources(ledger, (ledger.sources[0],), fetcher).runs


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5, pytest.param(600, marks=pytest.mark.faults)])
def test_three_machines_in_trouble_harm_nobody_and_are_named(fleet, tally, monkeypatch, seconds):
    fleet.wait(fleet.start("sound", seconds=1))
    ahead, behind, unmounted = (fleet.ledger(name) for name in ("ahead", "behind", "unmounted"))
    for one in (behind, unmounted):
        read(one, fleet.provider.url)
    fast = replace(ahead, clock=lambda: ahead.clock() + timedelta(days=3))
    started = fleet.start("sound", seconds=seconds, own=("source-1",))
    until, tries = time.monotonic() + seconds, 0
    shared = unmounted.home.lake
    empty = fleet.folder / "mount-point"
    elsewhere = replace(
        unmounted,
        home=replace(unmounted.home, lake=replace(shared, data=str(empty), archive=empty / "archive")),
    )
    empty.mkdir()
    while time.monotonic() < until:
        (run,) = read(fast, fleet.provider.url)
        assert (run.outcome, "ahead of the shared store's" in run.error) == ("failed", True)
        with pytest.raises(NotMountedError, match="is not mounted"):
            read(elsewhere, fleet.provider.url)
        with monkeypatch.context() as patch:
            patch.setattr(lake, "_bring_to_release", refuse)
            (run,) = (one for one in read(behind, fleet.provider.url) if one.source == COMMON)
        assert run.outcome == "fetched"
        tries += 1
        time.sleep(1)
    fleet.wait(started)
    assert not any(empty.iterdir()), "nothing was made on the mount point"
    assert fleet.surfaced == []
    named = {found.name for found in audit_ledger(fleet.ledger("sound")).findings if found.kind == "machine"}
    assert named == {machines.name_of(one.home.path) for one in (ahead, behind, unmounted)}
    if seconds >= 600:
        section = "Several machines, one shared store"
        tally.note(section, "tries of a machine ahead, one behind and one unmounted", str(tries))

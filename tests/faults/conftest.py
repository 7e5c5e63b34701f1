"""A ledger whose one source is a hostile provider on loopback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gpuledger.core.config import FetchSettings
from gpuledger.core.store.home import Home
from gpuledger.flows.pipeline import CycleReport, LedgerWriter, refresh_sources, source_row
from gpuledger.scrapers.http.fetch import Fetcher
from tests.conftest import Clock
from tests.faults.hostile import HostileProvider, plain
from tests.faults.market import listing, source
from tests.faults.soundness import (
    RESTORED,
    Committed,
    assert_archive_recorded,
    assert_nothing_lost,
    assert_replay_agrees,
    committed,
)
from tests.faults.tally import PAGE, Tally
from tests.template import start_migrated


@dataclass
class Trial:
    """One ledger that is to survive."""

    ledger: LedgerWriter
    fetcher: Fetcher
    provider: HostileProvider
    clock: Clock
    number: int = 0

    def refresh(self) -> CycleReport:
        """An hour later, whatever the provider answers."""
        self.clock.forward(hours=1)
        return refresh_sources(self.ledger, self.ledger.sources, self.fetcher)

    def good(self) -> CycleReport:
        """An honest refresh, each with prices of its own."""
        self.number += 1
        self.provider.always(plain(listing(self.number)))
        cycle = self.refresh()
        assert [run.outcome for run in cycle.runs if run.source == "runpod"][-1] == "accepted", cycle
        return cycle

    def assert_survived(self, before: Committed, *, replayed: bool = True) -> Committed:
        """Nothing lost, nothing doubled, the archive is the history, and the next refresh succeeds."""
        if replayed:
            assert_nothing_lost(before, committed(self.ledger))
        self.good()
        after = committed(self.ledger)
        assert_nothing_lost(before, after)
        assert_archive_recorded(self.ledger, after)
        if replayed:
            assert_replay_agrees(self.ledger)
        return after


TALLY = Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The counts of the session; databases that were torn during the test are among them."""
    before = len(RESTORED)
    yield TALLY
    torn = len(RESTORED) - before
    if torn or request.path.name == "test_kills.py":
        TALLY.more("Torn by a kill", "databases, each restored from its newest snapshot", torn)


# file -> what each of its passed tests is
CASES = {
    "test_bad_answers.py": "kinds of bad answers, alone and before a good one",
    "test_wire.py": "certificates, ports and addresses",
    "test_disk.py": "disk limits, homes that cannot be written, broken files",
    "test_together.py": "refreshes at once, clocks set back or ahead",
}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what was injected and survived."""
    what = CASES.get(Path(report.fspath).name)
    if what and report.when == "call" and report.passed:
        TALLY.more("Faults of one kind each", what, 1)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Only a session that was asked to, and in which nothing failed, writes the page."""
    if os.environ.get("GPULEDGER_WRITE_RELIABILITY") and exitstatus == 0 and not TALLY.is_empty:
        PAGE.write_text(TALLY.page(datetime.now(UTC).date(), PAGE.read_text()))


@contextmanager
def trial_in(folder: Path, **patience: float) -> Iterator[Trial]:
    """A new ledger there, and a fetcher with little patience."""
    server, clock = HostileProvider(), Clock()
    limits = {"attempts": 3, "wait_seconds": 0, "timeout_seconds": 2, "total_seconds": 1} | patience
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(**limits),
            environ={},
            urls={"runpod": server.url},
            clock=clock,
        )
        ledger = LedgerWriter(home=Home(folder), sources=(source(),), clock=clock)
        start_migrated(ledger.home, [source_row(source())], ledger.alias_rows())
        yield Trial(ledger, fetcher, server, clock)
    server.close()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with trial_in(tmp_path / "home") as made:
        yield made


@pytest.fixture(scope="module")
def long_trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """One ledger for all tests of a file; in the end it is replayed."""
    with trial_in(tmp_path_factory.mktemp("long") / "home") as made:
        yield made
        made.assert_survived(committed(made.ledger))

"""One ledger that knows every source, made once, and a copy of it for each trial."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.evidence.poisonings import KIND_NAMES
from tests.evidence.stage import Stage, copy_of, open_season
from tests.faults.tally import PAGE, Tally


@pytest.fixture(scope="session")
def _season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("season") / "home"
    open_season(folder)
    return folder


@pytest.fixture
def stage(_season: Path, tmp_path: Path) -> Iterator[Stage]:
    """That ledger, to be spoilt."""
    with copy_of(_season, tmp_path / "home") as copy:
        yield copy


TALLY = Tally()
SECTION = "Wrong answers that look right, and true changes"
HISTORIES = "Recorded price histories, read again change by change"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what was tried, and for how long true changes waited."""
    if report.when != "call" or not report.passed:
        return
    said = dict(report.user_properties)
    if "poisoning" in said:
        kind, _, outcome, disputed = said["poisoning"]
        TALLY.more(SECTION, "poisonings tried; none was believed within an interval of its source", 1)
        how = "held back row by row" if disputed else "that left nothing to hold back"
        how = "quarantined by the contract" if outcome == "quarantined" else how
        TALLY.more(SECTION, f"poisonings {how}", 1)
        TALLY.more(SECTION, f"poisonings of kind {kind}: {KIND_NAMES[kind]}", 1)
    if "true move" in said:
        _, intervals, _ = said["true move"]
        TALLY.more(SECTION, "true changes tried; each was believed, no source was quarantined", 1)
        TALLY.more(SECTION, f"true changes believed after {intervals} intervals", 1)

    if "history" in said:
        log, true, waited, caught, longest = said["history"]
        name = log.partition("/")[0]
        TALLY.note(HISTORIES, f"{name}: true changes", f"{true:,}")
        TALLY.note(
            HISTORIES,
            f"{name}: of these, disputed at first",
            f"{waited} ({waited / true:.2%})",
        )
        TALLY.note(
            HISTORIES,
            f"{name}: longest that a confirmed claim waited, slips among them",
            longest.partition(",")[0],
        )
        TALLY.note(HISTORIES, f"{name}: slips of the log that were disputed", str(caught))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Only a session that was asked to, and in which nothing failed, writes the page."""
    if os.environ.get("GPULEDGER_WRITE_RELIABILITY") and exitstatus == 0 and not TALLY.is_empty:
        PAGE.write_text(TALLY.page(datetime.now(UTC).date(), PAGE.read_text()))

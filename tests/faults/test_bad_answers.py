"""Whatever a provider answers, the run ends as it should, the past stays and the next refresh succeeds."""

import tracemalloc

import pytest

from tests.faults.bad_answers import FAULTS
from tests.faults.soundness import committed

MEMORY_MIB = 24
"""Most that any answer may cost in memory, with a limit of 2 MiB on the body."""

LARGE = ("bomb", "endless", "gzip in gzip", "digits")
QUICK = [name for name, fault in FAULTS.items() if fault.is_quick]
"""Every ninth of these runs by default, so some of each kind of fault; `make faults` runs all."""
SLOW = [name for name, fault in FAULTS.items() if not fault.is_quick]


def survives(trial, name: str) -> None:
    fault = FAULTS[name]
    if not trial.number:
        trial.good()
    before = committed(trial.ledger)
    trial.provider.behave = fault.behave()
    if is_large := any(word in name for word in LARGE):
        tracemalloc.start()
    (run,) = trial.refresh().runs
    if is_large:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < MEMORY_MIB << 20
    after = committed(trial.ledger)
    assert len(after.runs) == len(before.runs) + 1, "the run is not in the ledger"
    with_error = "accepted" if run.outcome == "accepted" else kind_of_last_error(trial)
    assert with_error == fault.ends, run.error
    if run.outcome != "accepted":
        assert after.prices == before.prices, "a run that failed wrote prices"
    trial.assert_survived(after, replayed=False)


def kind_of_last_error(trial) -> str:
    manifest = list(trial.ledger.archive.manifests())[-1]
    if manifest.failure is not None:
        return manifest.failure.kind
    from gpuledger.core.store.publish import reading

    with reading(trial.ledger.home) as connection:
        row = connection.execute("select error_kind from scrape_run order by run_no desc limit 1").fetchone()
    return row[0]


@pytest.mark.parametrize(
    "name",
    [
        name if place % 9 == 0 else pytest.param(name, marks=pytest.mark.faults)
        for place, name in enumerate(QUICK)
    ],
)
@pytest.mark.recovery
def test_a_bad_answer_ends_its_own_run_and_nothing_else(long_trial, name):
    survives(long_trial, name)


@pytest.mark.faults
@pytest.mark.parametrize("name", SLOW)
def test_an_answer_without_end_ends(long_trial, name):
    survives(long_trial, name)

"""Compaction lets go of what nobody needs, and of nothing else."""

import os
from datetime import timedelta

import pytest

from gpuledger.core.errors import CorruptError, UsageError
from gpuledger.core.store.publish import current, reading
from gpuledger.flows.compact import compact_ledger
from gpuledger.flows.replay import replay
from tests.faults.soundness import committed


def months_of_runs(trial) -> None:
    """One run now, one 100 days later and one an hour after that."""
    trial.good()
    trial.clock.forward(days=100)
    trial.good()
    trial.good()


@pytest.mark.recovery
def test_by_default_every_document_and_price_stays(trial):
    months_of_runs(trial)
    before = committed(trial.ledger)
    done = compact_ledger(trial.ledger)
    assert (done.documents, done.snapshots) == (0, 0)
    trial.assert_survived(before)


def test_only_the_newest_snapshots_stay_and_readers_keep_theirs(trial):
    months_of_runs(trial)
    with reading(trial.ledger.home) as connection:
        assert compact_ledger(trial.ledger, keep_snapshots=1).snapshots == 2
        assert connection.execute("select count(*) from offer_latest").fetchone() == (3,)
    assert [path.name for path in trial.ledger.home.snapshots.glob("prices-*")] == [
        current(trial.ledger.home).name
    ]


def test_old_documents_go_and_their_prices_stay(trial):
    months_of_runs(trial)
    before = committed(trial.ledger)
    done = compact_ledger(trial.ledger, keep_documents=timedelta(days=60))
    assert done.documents == 1
    assert done.bytes > 0
    assert committed(trial.ledger) == before
    trial.good()


@pytest.mark.recovery
def test_a_replay_that_lacks_old_documents_says_so_and_changes_nothing(trial):
    months_of_runs(trial)
    before = committed(trial.ledger)
    compact_ledger(trial.ledger, keep_documents=timedelta(days=60))
    with pytest.raises(CorruptError, match="the archive lacks"):
        replay(trial.ledger)
    assert committed(trial.ledger) == before


def test_an_old_document_that_a_young_run_read_again_stays(trial):
    trial.good()
    trial.clock.forward(days=100)
    trial.number -= 1
    trial.good()
    assert compact_ledger(trial.ledger, keep_documents=timedelta(days=60)).documents == 0


def test_left_overs_of_a_killed_writer_go_once_they_are_old(trial):
    trial.good()
    left_over = trial.ledger.home.archive / "ab" / ".new-x"
    left_over.parent.mkdir(exist_ok=True)
    left_over.write_bytes(b"half")
    os.utime(left_over, (trial.clock().timestamp() - 60,) * 2)
    assert compact_ledger(trial.ledger).left_overs == 0
    os.utime(left_over, (trial.clock().timestamp() - 7200,) * 2)
    assert compact_ledger(trial.ledger).left_overs == 1
    assert not left_over.exists()


@pytest.mark.parametrize(
    "wrong", [{"keep_documents": timedelta(days=59)}, {"keep_snapshots": 0}, {"keep_snapshots": -1}]
)
def test_a_retention_that_would_delete_what_is_in_use_is_refused(trial, wrong):
    trial.good()
    with pytest.raises(UsageError, match="must be at least"):
        compact_ledger(trial.ledger, **wrong)

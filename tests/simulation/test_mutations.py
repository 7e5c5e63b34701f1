"""The simulation finds what it is for: each way to break the program fails some early seed."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gpuledger.core import files
from gpuledger.core.store import archive, publish, record, rollups, sql
from gpuledger.core.store.evidence import Weighed, rule_nothing
from gpuledger.core.store.home import Home
from gpuledger.flows import pipeline
from tests.simulation.run import run_seed

MOST_SEEDS = 60

REAL_TEXT = sql.text
REAL_WRITE = files.write_whole
REAL_JUDGE = pipeline.judge


def manifest_before_documents(patch: pytest.MonkeyPatch) -> None:
    """A run is noted before its bytes are on the disk."""
    waiting = []
    put, write_manifest = archive.Archive.put, archive.Archive.write_manifest

    def later(self, document):
        waiting.append(document)
        held = archive.write_whole
        archive.write_whole = lambda *given, **more: None
        try:
            return put(self, document)
        finally:
            archive.write_whole = held

    def then(self, manifest):
        write_manifest(self, manifest)
        for document in waiting:
            put(self, document)
        waiting.clear()

    patch.setattr(archive.Archive, "put", later)
    patch.setattr(archive.Archive, "write_manifest", then)


def nothing_flushed(patch: pytest.MonkeyPatch) -> None:
    """Files get their names before their bytes are on the disk."""
    patch.setattr(archive, "write_whole", lambda path, content: REAL_WRITE(path, content, is_durable=False))


def pointer_before_snapshot(patch: pytest.MonkeyPatch) -> None:
    """Readers are sent to a snapshot that is not there yet."""
    derive = rollups.derive

    def pointed(connection, *, now):
        ((path,),) = connection.execute("select file from pragma_database_list").fetchall()
        home = Home(Path(path).parent)
        publish._point(home, publish._path(home, publish._newest(home) + 1).name)
        derive(connection, now=now)

    patch.setattr(rollups, "derive", pointed)


def contract_ignored(patch: pytest.MonkeyPatch) -> None:
    """A batch that broke its contract is recorded as if it had not."""

    def lenient(*given, **more):
        batch = REAL_JUDGE(*given, **more)
        return replace(batch, outcome="accepted", error=None) if batch.outcome == "quarantined" else batch

    patch.setattr(pipeline, "judge", lenient)


def changed_text(patch: pytest.MonkeyPatch, name: str, before: str, after: str) -> None:
    assert before in REAL_TEXT(name)
    patch.setattr(
        sql, "text", lambda one: REAL_TEXT(one).replace(before, after) if one == name else REAL_TEXT(one)
    )


def missing_is_withdrawn(patch: pytest.MonkeyPatch) -> None:
    """What one answer lacks is withdrawn at once."""
    changed_text(
        patch,
        "record/10_difference",
        "if(is_absent, was_unlisted or claimed_at is not null, ",
        "if(is_absent, true, ",
    )


def nothing_weighed(patch: pytest.MonkeyPatch) -> None:
    """No claim is held against what the ledger knows."""

    def trusting(connection, weighing, parameters, seen):
        rule_nothing(connection)
        return Weighed()

    patch.setattr(record, "weigh_run", trusting)


def no_transaction(patch: pytest.MonkeyPatch) -> None:
    """What a killed writer did is half there."""

    @contextmanager
    def nothing(connection):
        yield

    patch.setattr(record, "transaction", nothing)


def state_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The current state is not kept in the transaction of the log."""
    changed_text(
        patch,
        "record/live_current",
        "amount = if(new.is_price_change, new.amount, current.amount)",
        "amount = current.amount",
    )


def skipped_in_silence(patch: pytest.MonkeyPatch) -> None:
    """Rows that cannot be used are not counted."""
    read = pipeline.read_documents
    patch.setattr(pipeline, "read_documents", lambda *given: replace(read(*given), skipped=()))


MUTATIONS: list[Callable[[pytest.MonkeyPatch], None]] = [
    manifest_before_documents,
    nothing_flushed,
    pointer_before_snapshot,
    contract_ignored,
    missing_is_withdrawn,
    nothing_weighed,
    no_transaction,
    state_forgotten,
    skipped_in_silence,
]


@pytest.mark.faults
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_broken_program_fails_an_early_seed(mutation, monkeypatch, record_property):
    mutation(monkeypatch)
    for seed in range(1, MOST_SEEDS + 1):
        result = run_seed(seed)
        if result.error:
            record_property("seed", seed)
            print(json.dumps({mutation.__name__: seed, "error": result.error[:200]}))  # noqa: T201
            return
    pytest.fail(f"{MOST_SEEDS} seeds did not notice")

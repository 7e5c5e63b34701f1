"""Runs that another process reads ahead are those that this one would read."""

import os
import signal
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpuledger.core.document import Document
from gpuledger.core.errors import CorruptError
from gpuledger.core.store.home import Home
from gpuledger.flows import read_ahead as reading
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import read_run
from gpuledger.flows.read_ahead import read_ahead
from tests.benchmarks.many_runs import START, sources, write_archive
from tests.pipeline import price_stream
from tests.pipeline import test_replay_streams as streams


@pytest.fixture(autouse=True)
def two_processes(monkeypatch):
    monkeypatch.setattr(reading, "_is_alone", lambda runs: False)


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> LedgerWriter:
    """Real adapters whose prices move, some failed runs, and one source that another release had."""
    ledger = LedgerWriter(
        home=Home(tmp_path_factory.mktemp("market")),
        sources=sources(),
        clock=lambda: datetime.now(UTC),
    )
    ledger.home.create()
    write_archive(ledger.archive, 150)
    return replace(ledger, sources=tuple(one for one in ledger.sources if one.name != "linode"))


def here(ledger: LedgerWriter, runs):
    manifests = [ledger.archive.manifest(run) for run in runs]
    return [(manifest, read_run(ledger, manifest)) for manifest in manifests]


def alike(one, other) -> bool:
    """Errors are other objects each time; their words count."""
    return [shown(each) for each in one] == [shown(each) for each in other]


def shown(each):
    manifest, parsed = each
    if parsed is None:
        return manifest, None
    return manifest, {**vars(parsed), "offers": list(parsed.offers), "error": str(parsed.error)}


def test_real_adapters_are_read_alike(market):
    runs = market.archive.run_ids(None)
    read = list(read_ahead(market, runs))
    assert alike(read, here(market, runs))
    assert any(parsed is None for _, parsed in read)
    assert any(manifest.failure for manifest, _ in read)


@pytest.mark.parametrize("seed", [0, 2])
def test_any_stream_is_read_alike(tmp_path, seed):
    ledger = streams.ledger_in(tmp_path)
    price_stream.write_archive(ledger, seed, 60, price_stream.ODD)
    runs = ledger.archive.run_ids(None)
    read = list(read_ahead(ledger, runs))
    assert alike(read, here(ledger, runs))
    assert any(parsed is not None and parsed.error for _, parsed in read)


@pytest.mark.parametrize("seed", range(2))
def test_a_stream_that_is_read_ahead_is_rebuilt_as_it_was_recorded(tmp_path, seed):
    ledger = streams.ledger_in(tmp_path)
    price_stream.write_archive(ledger, seed, 30, price_stream.CHANGES)
    assert streams.rebuilt(ledger) == streams.recorded(ledger)


def test_bytes_that_are_missing_are_told_where_they_are_met(tmp_path):
    ledger = streams.ledger_in(tmp_path)
    price_stream.write_archive(ledger, 7, 12, price_stream.CHANGES)
    runs = ledger.archive.run_ids(None)
    (entry,) = ledger.archive.manifest(runs[6]).documents
    ledger.archive.path(entry["sha256"]).unlink()
    readings, read = read_ahead(ledger, runs), 0
    with closing(readings), pytest.raises(CorruptError, match="the archive lacks"):
        for _ in readings:
            read += 1
    assert read == 6


@pytest.mark.recovery
def test_a_reader_that_dies_leaves_its_runs_to_the_other(tmp_path):
    ledger = streams.ledger_in(tmp_path)
    price_stream.write_archive(ledger, 3, 20, price_stream.CHANGES)
    runs, parent = ledger.archive.run_ids(None), os.getpid()

    def parse(document: Document):
        if os.getpid() != parent and document.fetched_at > START + timedelta(hours=1):
            os.kill(os.getpid(), signal.SIGKILL)
        yield from price_stream.parse(document)

    dying = replace(ledger, sources=tuple(replace(one, parse=parse) for one in ledger.sources))
    assert [manifest.run_id for manifest, _ in read_ahead(dying, runs)] == runs


@pytest.mark.recovery
def test_a_reader_that_stands_still_is_ended_and_its_runs_are_read_here(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 0.5)
    ledger = streams.ledger_in(tmp_path)
    price_stream.write_archive(ledger, 3, 20, price_stream.CHANGES)
    runs, parent = ledger.archive.run_ids(None), os.getpid()

    def parse(document: Document):
        if os.getpid() != parent and document.fetched_at > START + timedelta(hours=1):
            time.sleep(3600)
        yield from price_stream.parse(document)

    still = replace(ledger, sources=tuple(replace(one, parse=parse) for one in ledger.sources))
    assert [manifest.run_id for manifest, _ in read_ahead(still, runs)] == runs
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_who_reads_no_further_leaves_no_process(market):
    runs = market.archive.run_ids(None)
    with closing(read_ahead(market, runs)) as readings:
        next(readings)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)

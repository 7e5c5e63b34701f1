"""The archive alone gives the same history again."""

from dataclasses import replace

import pytest

from gpuledger.core.errors import CorruptError
from gpuledger.core.store.home import Home
from gpuledger.flows.replay import history_of, replay


@pytest.fixture
def home(either_home: Home) -> Home:
    """All of this file is true of both stores."""
    return either_home


def three_runs(world, listing):
    world.refresh(listing(a=2.5, b=3, c=4))
    world.refresh(b"<html>")
    world.refresh(listing(a=2.6, b=(3, "sold_out")))
    world.refresh(listing(a=2.6, b=3))


def test_replay_gives_the_same_history_to_the_byte(world, listing):
    three_runs(world, listing)
    before = repr(history_of(world.ledger.home, world.ledger)).encode()
    world.ledger.home.database.unlink()
    report = replay(world.ledger)
    assert len(report.runs) == 4
    assert repr(history_of(world.ledger.home, world.ledger)).encode() == before
    assert world.prices() == {"a": "2.6", "b": "3"}


def test_a_corrected_adapter_corrects_the_past(world, listing):
    three_runs(world, listing)
    (source,) = world.ledger.sources

    def dearer(document):
        for fact in source.parse(document):
            yield fact.model_copy(
                update={"price": fact.price.model_copy(update={"amount": fact.price.amount * 2})}
            )

    corrected = replace(world.ledger, sources=(replace(source, parse=dearer),))
    report = replay(corrected)
    assert report.added == report.removed == 4
    assert world.prices()["a"] == "5.2"


def test_a_dry_run_changes_nothing(world, listing):
    three_runs(world, listing)
    history_of(world.ledger.home, world.ledger)
    before = world.ledger.home.database.read_bytes()
    assert replay(world.ledger, keep=False).added == 0
    assert world.ledger.home.database.read_bytes() == before


def test_bytes_that_changed_on_disk_stop_a_replay_and_keep_the_ledger(world, listing):
    three_runs(world, listing)
    before = world.ledger.home.database.read_bytes()
    victim = next(world.ledger.home.archive.glob("[0-9a-f][0-9a-f]/*.zst"))
    victim.write_bytes(victim.read_bytes()[:-3])
    with pytest.raises(CorruptError, match=victim.name[:12]):
        replay(world.ledger)
    assert world.ledger.home.database.read_bytes() == before

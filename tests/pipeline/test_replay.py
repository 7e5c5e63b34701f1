"""The archive alone gives the same history again."""

from dataclasses import replace
from pathlib import Path

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import CorruptError
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import publish
from gpuledger.core.store.shared.move import contents_of_ledger
from gpuledger.flows import rebuild
from gpuledger.flows import replay as replay_module
from gpuledger.flows.audit import audit_ledger
from gpuledger.flows.imports import import_documents
from gpuledger.flows.pipeline import open_ledger, refresh_sources
from gpuledger.flows.replay import price_history, replay
from gpuledger.scrapers.archives import changes


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
    before = repr(price_history(world.ledger)).encode()
    world.ledger.home.database.unlink()
    report = replay(world.ledger)
    assert report.runs == 4
    assert repr(price_history(world.ledger)).encode() == before
    assert world.prices() == {"a": "2.6", "b": "3"}


@pytest.mark.recovery
def test_imported_lists_are_replayed_beside_live_prices(world, listing):
    """Their statements are planned by fewer rules in a replay, which some versions of DuckDB do not bear."""
    world.provider.always(listing(a=2.5, b=3))
    ledger = world.ledger = replace(world.ledger, sources=(*world.ledger.sources, changes.SOURCE))
    refresh_sources(ledger, ledger.sources[:1], world.fetcher)
    rows = [f"2026-09-0{day},aws,p5.48xlarge,us-east-1,{90 + day},H100,8" for day in (1, 3, 5)]
    body = "\n".join(["observed_at,provider,instance_type,region,price,gpu_label,gpu_count", *rows]).encode()
    document = Document(
        source="changes", request=Request(url="file:seen.csv"), body=body, fetched_at=ledger.clock()
    )
    import_documents(ledger, changes.SOURCE, iter([document]), count=1)
    report = replay(ledger, keep=False)
    assert (report.intervals, report.added, report.removed) == (5, 0, 0)


@pytest.mark.recovery
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


@pytest.mark.recovery
def test_a_dry_run_changes_nothing(world, listing):
    three_runs(world, listing)
    price_history(world.ledger)
    before = world.ledger.home.database.read_bytes()
    assert replay(world.ledger, keep=False).added == 0
    assert world.ledger.home.database.read_bytes() == before


@pytest.mark.recovery
def test_bytes_that_changed_on_disk_stop_a_replay_and_keep_the_ledger(world, listing):
    three_runs(world, listing)
    before = world.ledger.home.database.read_bytes()
    victim = next(world.ledger.home.archive.glob("[0-9a-f][0-9a-f]/*.zst"))
    victim.write_bytes(victim.read_bytes()[:-3])
    with pytest.raises(CorruptError, match=victim.name[:12]):
        replay(world.ledger)
    assert world.ledger.home.database.read_bytes() == before


def contents(ledger):
    with turn(ledger.home), writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        state = connection.execute("select * from offer_current order by offer_no").fetchall()
        skips = connection.execute("select * from skipped_row order by all").fetchall()
        return contents_of_ledger(connection), state, skips


@pytest.mark.recovery
def test_runs_that_repeat_another_are_rebuilt_as_they_were_recorded(world, listing):
    """Repeated answers are recorded many at a time; here among changes, absences, a withdrawal and failures."""
    answers = [
        *[listing(a=2.5, b=3, c=4)] * 3,
        *[listing(a=2.5, b=(3, "sold_out"), c=4, d=0)] * 4,
        b"<html>",
        *[listing(a=2.5, b=(3, "sold_out"), c=4, d=0)] * 2,
        *[listing(a=2.5, b=3)] * 4,
        *[listing(a=2.5, b=3, c=4)] * 3,
        *[listing(a=2.6, b=3, c=4)] * 3,
    ]
    for answer in answers:
        world.refresh(answer)
    before = contents(world.ledger)
    report = replay(world.ledger)
    assert (report.runs, report.accepted) == (len(answers), len(answers) - 1)
    assert (report.added, report.removed) == (0, 0)
    assert contents(world.ledger) == before


@pytest.mark.recovery
def test_refreshes_go_on_while_a_replay_builds_and_nothing_of_theirs_is_lost(world, listing):
    for price in (2.5, 2.6):
        world.refresh(listing(a=price, b=3))
    met: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        if not met:
            met.append(done)
            (run,) = world.refresh(listing(a=2.7, b=3)).runs
            assert run.outcome == "accepted"

    report = replay(world.ledger, progress=meanwhile)
    assert met == [2]
    assert (report.added, report.removed) == (0, 0)
    assert world.prices()["a"] == "2.7"
    assert world.rows("select count(*) from scrape_run") == [(3,)]


def test_what_readers_read_is_derived_before_the_writers_turn_is_taken(world, listing, monkeypatch):
    """Whoever waits for the turn waits for what came meanwhile, and not for the days of the whole history."""
    world.refresh(listing(a=2.5, b=3))
    world.clock.forward(days=3)
    world.refresh(listing(a=2.6, b=3))
    derived: list[tuple[object, ...]] = []

    def publish_seen(home, *, now):
        with writing(home) as connection:
            derived.append(
                connection.execute(
                    "select (select until_date from derived), (select count(distinct price_date) from gpu_price_day)"
                ).fetchone()
            )
        return publish(home, now=now)

    monkeypatch.setattr(replay_module, "publish", publish_seen)
    replay(world.ledger)
    assert derived == [(world.clock().date(), 3)]
    assert world.prices() == {"a": "2.6", "b": "3"}


@pytest.mark.recovery
def test_a_replay_that_was_stopped_goes_on_where_it_was(world, listing, monkeypatch):
    monkeypatch.setattr(rebuild, "BATCH", 2)
    for price in (2.5, 2.6, 2.6, 2.6, 2.7):
        world.refresh(listing(a=price, b=3))
    before = contents(world.ledger)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(world.ledger, progress=stop)
    replay(world.ledger, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert contents(world.ledger) == before


def test_a_replay_needs_no_lake_that_can_be_read(world, listing):
    """A machine whose share was not mounted left files that no other has: the archive writes the lake anew."""
    if world.ledger.home.lake is None:
        pytest.skip("a ledger of its own has no lake")
    world.refresh(listing(**{f"sku{number}": 2 + number / 100 for number in range(200)}))
    files = list(Path(world.ledger.home.lake.data).rglob("*.parquet"))
    assert files
    for file in files:
        file.unlink()
    assert {found.kind for found in audit_ledger(world.ledger).of_state("broken")} == {"lake"}
    replay(world.ledger)
    assert audit_ledger(world.ledger).of_state("broken") == ()
    assert world.prices()["sku7"] == "2.07"

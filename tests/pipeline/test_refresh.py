"""The whole way on loopback: what a refresh records, and what it leaves alone."""

import json
from datetime import timedelta

import pytest

from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import current
from gpuledger.flows.audit import audit_ledger
from gpuledger.flows.pipeline import refresh_sources


@pytest.fixture
def home(either_home: Home) -> Home:
    """All of this file is true of both stores."""
    return either_home


def test_a_first_refresh_publishes_what_the_provider_says(world, listing):
    report = world.refresh(listing(a=2.5, b=3))
    assert [(run.outcome, run.offers, run.changes) for run in report.runs] == [("accepted", 2, 2)]
    assert world.prices() == {"a": "2.5", "b": "3"}


def test_only_changes_are_appended(world, listing):
    for price in (2.5, 2.5, 2.6, 2.6):
        world.refresh(listing(a=price, b=3))
    assert world.rows("select count(*) from price_change") == [(3,)]
    assert world.rows("select count(*) from scrape_run") == [(4,)]


def test_a_timer_that_finds_nothing_due_publishes_nothing(world, listing):
    world.refresh(listing(a=2.5, b=3))
    before = current(world.ledger.home)
    assert refresh_sources(world.ledger, (), world.fetcher).snapshot is None
    assert current(world.ledger.home) == before


def test_an_unchanged_price_is_seen_anew_by_each_run(world, listing):
    world.refresh(listing(a=2.5, b=3))
    world.refresh(listing(a=2.5, b=3))
    assert world.rows("select distinct last_seen_at from offer_latest") == [(world.clock.now,)]
    assert world.rows("select distinct valid_from from offer_latest") == [
        (world.clock.now - timedelta(hours=1),)
    ]


def test_sold_out_keeps_the_price_and_its_interval(world, listing):
    world.refresh(listing(a=2.5, b=3))
    world.refresh(listing(a=(2.5, "sold_out"), b=3))
    assert world.prices()["a"] == "2.5"
    assert world.rows("select availability from offer_latest where sku = 'a'") == [("sold_out",)]
    assert world.rows("select count(*) from price_history where sku = 'a'") == [(1,)]


def test_one_absence_is_not_a_withdrawal_and_two_are(world, listing):
    world.refresh(listing(a=2.5, b=3, c=4))
    world.refresh(listing(a=2.5, b=3))
    assert world.prices() == {"a": "2.5", "b": "3", "c": "4"}
    assert world.rows("select is_unlisted from offer_latest where sku = 'c'") == [(True,)]
    world.refresh(listing(a=2.5, b=3))
    assert world.prices() == {"a": "2.5", "b": "3"}
    assert world.rows("select valid_to from price_history where sku = 'c'") == [(world.clock.now,)]


def test_a_return_opens_a_new_interval(world, listing):
    for body in (
        listing(a=2.5, b=3, c=4),
        listing(a=2.5, b=3),
        listing(a=2.5, b=3),
        listing(a=2.5, b=3, c=4),
    ):
        world.refresh(body)
    intervals = world.rows("select valid_from, valid_to from price_history where sku = 'c' order by 1")
    assert len(intervals) == 2
    assert intervals[0][1] < intervals[1][0]
    assert intervals[1][1] is None


def test_the_past_can_be_asked_for(world, listing):
    world.refresh(listing(a=2.5, b=3))
    then = world.clock.now
    world.refresh(listing(a=2.9, b=3.1))
    assert world.prices(as_of=then) == {"a": "2.5", "b": "3"}
    assert world.prices(as_of=then - timedelta(seconds=1)) == {}


def test_a_row_without_a_price_is_counted_and_never_zero(world, listing):
    report = world.refresh(listing(a=2.5, b=3, c=0))
    assert report.runs[0].skipped == {"no price": 1}
    assert world.prices() == {"a": "2.5", "b": "3"}
    assert world.rows("select reason, row_count from skipped_row") == [("no price", 1)]


BROKEN = {
    "empty": (b"", {}, "TransientFetchError"),
    "truncated": (b'{"offers": [{"sku": "a", "usd": 2.5}, {"sku', {}, "ParseError"),
    "cut off on the wire": (b'{"offers": []}' * 50, {"cut_at": 20}, "TransientFetchError"),
    "HTML instead of JSON": (b"<html><body>Maintenance</body></html>", {}, "ParseError"),
    "429": (b"slow down", {"status": 429}, "TransientFetchError"),
    "500": (b"oops", {"status": 500}, "TransientFetchError"),
    "404": (b"gone", {"status": 404}, "RefusedFetchError"),
    "too few offers": (b'{"offers": [{"sku": "a", "usd": 2.5}]}', {}, "ContractError"),
    "deep nesting": (b"[" * 200_000, {}, "ParseError"),
    "a price that is no number": (
        b'{"offers": [{"sku": "a", "usd": "NaN"}, {"sku": "b", "usd": 3}]}',
        {},
        "ParseError",
    ),
}


BY_DEFAULT = {"truncated", "404", "too few offers", "deep nesting"}
"""One of what cannot be fetched, read, believed or borne."""


@pytest.mark.parametrize(
    "name",
    [name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.recovery) for name in BROKEN],
)
def test_a_failed_run_leaves_every_earlier_price_in_place(world, listing, name):
    world.refresh(listing(a=2.5, b=3))
    before = world.rows("select * exclude (last_seen_at, fresh_until) from offer_latest order by sku")
    seen_before = world.rows("select distinct last_seen_at from offer_latest")
    body, more, kind = BROKEN[name]
    report = world.refresh(body, **more)
    (run,) = report.runs
    assert run.outcome in {"failed", "quarantined"}
    assert run.error
    assert run.url.startswith("https://prices.example")
    assert world.rows("select * exclude (last_seen_at, fresh_until) from offer_latest order by sku") == before
    assert world.rows("select distinct last_seen_at from offer_latest") == seen_before
    assert world.rows("select error_kind from scrape_run order by run_no desc limit 1") == [(kind,)]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param({"a": 25, "b": 3}, id="one price ten times as high"),
        pytest.param({"a": 4.1, "b": 4.9}, id="both dearer by 60 %", marks=pytest.mark.recovery),
        pytest.param({"a": 1.1, "b": 3}, id="one price at less than half", marks=pytest.mark.recovery),
    ],
)
def test_what_the_ledger_contradicts_leaves_every_earlier_price_in_place(world, listing, after):
    world.refresh(listing(a=2.5, b=3))
    (run,) = world.refresh(listing(**after)).runs
    assert (run.outcome, run.state) == ("accepted", "accepted with disputed rows")
    assert run.evidence
    assert world.prices() == {"a": "2.5", "b": "3"}
    shown = world.rows("select evidence from disputed_latest order by sku")
    assert [line for (line,) in shown] == list(run.evidence)


def test_not_modified_gives_the_archived_bytes_again(world, listing):
    world.refresh(listing(a=2.5, b=3), headers={"etag": '"one"'})
    world.provider.always(b"", status=304)
    report = world.refresh()
    assert report.runs[0].outcome == "accepted"
    assert world.provider.seen[-1].headers["If-None-Match"] == '"one"'
    assert world.prices() == {"a": "2.5", "b": "3"}


def test_what_was_fetched_but_not_recorded_is_recorded_by_the_next_refresh(world, listing):
    from gpuledger.flows.pipeline import fetch_source

    world.clock.forward(hours=1)
    world.provider.always(listing(a=2.5, b=3))
    fetch_source(world.ledger, world.ledger.sources[0], world.fetcher)
    world.refresh(listing(a=2.6, b=3))
    assert world.rows("select amount::double from price_history where sku = 'a' order by valid_from") == [
        (2.5,),
        (2.6,),
    ]


def test_a_run_that_comes_back_after_a_later_one_is_named_and_left_to_a_replay(world, listing):
    """A file of the archive that was restored, or that a shared disk showed too late."""
    from gpuledger.flows.pipeline import LATE, fetch_source
    from gpuledger.flows.replay import replay

    world.provider.always(listing(a=2.5, b=3))
    manifest, _ = fetch_source(world.ledger, world.ledger.sources[0], world.fetcher)
    (path,) = (world.ledger.home.archive / "runs").glob("*/*/*.json")
    path.rename(path.with_suffix(".away"))
    world.refresh(listing(a=2.6, b=3))
    path.with_suffix(".away").rename(path)
    _, late = world.refresh().runs
    assert (late.run_id, late.outcome, late.error) == (manifest.run_id, "failed", LATE)
    assert world.prices() == {"a": "2.6", "b": "3"}
    assert replay(world.ledger).added == 2
    amounts = "select amount::double from price_history where sku = 'a' order by valid_from"
    assert world.rows(amounts) == [(2.5,), (2.6,)]
    assert len(world.refresh().runs) == 1


def test_a_clock_that_was_set_back_does_not_write_into_the_past(world, listing):
    world.refresh(listing(a=2.5, b=3))
    world.clock.forward(hours=-1, minutes=-3)
    world.refresh(listing(a=2.6, b=3))
    assert world.prices()["a"] == "2.6"
    starts = [
        row[0] for row in world.rows("select valid_from from price_history where sku = 'a' order by run_no")
    ]
    assert starts == sorted(starts)


def test_a_run_after_one_that_began_in_the_future_is_refused_and_named(world, listing):
    """Stamped behind it, it would have a time that never was; and so would every later one."""
    if world.ledger.home.lake is not None:
        pytest.skip("on a shared store the catalogue's clock is the common one, which no test sets")
    world.clock.forward(hours=72)
    world.refresh(listing(a=2.5, b=3))
    before = world.rows("select * from scrape_run")
    world.clock.forward(hours=-72)
    (run,) = world.refresh(listing(a=2.6, b=3)).runs
    assert run.outcome == "failed"
    assert "began 71.0 h ahead of the clock" in run.error
    assert "gpuledger repair" in run.error
    assert world.rows("select * from scrape_run") == before
    (found,) = audit_ledger(world.ledger).of_state("broken")
    assert (found.kind, found.name) == ("source", "runpod")
    assert "71 h ahead of the clock" in found.detail


def test_a_manifest_names_every_document_and_where_it_was_read(world, listing):
    world.refresh(listing(a=2.5, b=3))
    (path,) = (world.ledger.home.archive / "runs").glob("*/*/*.json")
    (document,) = json.loads(path.read_text())["documents"]
    assert document["url"] == "https://prices.example/list"
    assert (world.ledger.home.archive / document["sha256"][:2] / f"{document['sha256']}.zst").exists()

"""The last resort is asked when the usual answer cannot be had, and when it cannot be read."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from gpuledger.core.document import Request
from gpuledger.flows.replay import price_history, replay


@pytest.fixture
def with_fallback(world):
    (source,) = world.ledger.sources
    fallback = (Request(url="https://prices.example/page"),)
    world.ledger = replace(world.ledger, sources=(replace(source, fallback=fallback),))
    return world


def answers(world, **by_path):
    """The provider answers each path with a status and a body."""

    def answer(seen):
        status, body = by_path[seen.path.strip("/")]
        return SimpleNamespace(status=status, body=body, headers={}, cut_at=None)

    world.provider.answer = answer


@pytest.mark.parametrize("usual", [(500, b""), (200, b"<html>we moved</html>")])
def test_the_fallback_speaks_when_the_usual_answer_fails(with_fallback, listing, usual):
    answers(with_fallback, list=usual, page=(200, listing(a=2.5, b=3)))
    report = with_fallback.refresh()
    assert report.runs[0].outcome == "accepted"
    assert any("fallback after" in note for note in report.runs[0].notes)
    assert with_fallback.prices() == {"a": "2.5", "b": "3"}


def test_a_fallback_is_no_evidence_of_absence(with_fallback, listing):
    answers(with_fallback, list=(200, listing(a=2.5, b=3, c=4)), page=(200, listing(a=2.5, b=3)))
    with_fallback.refresh()
    answers(with_fallback, list=(500, b""), page=(200, listing(a=2.5, b=3)))
    for _ in range(3):
        with_fallback.refresh()
    assert with_fallback.prices() == {"a": "2.5", "b": "3", "c": "4"}


def test_without_a_fallback_that_helps_the_first_answer_is_the_run(with_fallback, listing):
    answers(with_fallback, list=(200, b"<html>we moved</html>"), page=(404, b""))
    report = with_fallback.refresh()
    assert report.runs[0].outcome == "failed"
    assert with_fallback.rows("select error_kind from scrape_run") == [("ParseError",)]


@pytest.mark.recovery
def test_a_run_that_fell_back_replays_to_the_same(with_fallback, listing):
    answers(with_fallback, list=(200, b"<html>we moved</html>"), page=(200, listing(a=2.5, b=3)))
    with_fallback.refresh()
    ledger = with_fallback.ledger
    before = price_history(ledger)
    replay(ledger)
    assert price_history(ledger) == before

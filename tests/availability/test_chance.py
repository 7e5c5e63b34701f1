"""Chances from stock: of a machine that comes and goes by a known rule."""

import math
import random

import pytest

from gpuledger.core.availability.chance import History, NotEnoughSeen, Span, any_there, brier, joined_spans


def line(seed: int, *, spans: int, there: float, gone: float) -> list[Span]:
    """Spans whose lengths are drawn from exponentials of those means, in hours."""
    draw, at, out = random.Random(seed), 0.0, list[Span]()
    for number in range(spans):
        length = draw.expovariate(1 / (there if number % 2 else gone))
        out.append(Span(at, at + length, bool(number % 2)))
        at += length
    return joined_spans(out)


def test_the_chance_of_a_memoryless_machine_is_that_of_its_rate():
    history = History(spans=tuple(line(1, spans=4000, there=10, gone=5)))
    assert history.there_within(5, is_there=False) == pytest.approx(1 - math.exp(-1), abs=0.03)
    assert history.stays_for(10) == pytest.approx(math.exp(-1), abs=0.03)
    assert history.share_there == pytest.approx(10 / 15, abs=0.03)
    assert history.there_within(5, is_there=True) == 1.0


def test_longer_waits_are_likelier_and_longer_stays_are_not():
    history = History(spans=tuple(line(2, spans=200, there=10, gone=5)))
    within = [history.there_within(hours, is_there=False, age_hours=2) for hours in (1, 4, 12, 24)]
    stays = [history.stays_for(hours, age_hours=2) for hours in (1, 4, 12, 24)]
    assert within == sorted(within)
    assert stays == sorted(stays, reverse=True)


def test_a_forecast_by_state_and_age_beats_the_climatology_where_there_is_something_to_know():
    draw, at, spans = random.Random(3), 0.0, list[Span]()
    for number in range(100):
        # either over in minutes or here for days
        length = draw.choice((0.3, 60.0))
        spans.append(Span(at, at + length, bool(number % 2)))
        at += length
    known, later = History(spans=tuple(spans[:59])), History(spans=tuple(spans[59:]))
    for is_survival in (False, True):
        found = brier(known, later, within_hours=1.0, every_hours=0.2, is_survival=is_survival)
        assert found["brier"] < found["climatology"]


@pytest.mark.parametrize("spans", [line(4, spans=4, there=400, gone=400), line(5, spans=40, there=1, gone=1)])
def test_few_changes_or_few_days_are_not_enough(spans: list[Span]):
    with pytest.raises(NotEnoughSeen, match="not enough seen"):
        History(spans=tuple(spans)).check()


def test_one_of_two_is_there_when_either_is():
    both = any_there([[Span(0, 4, True), Span(4, 10, False)], [Span(0, 6, False), Span(6, 10, True)]])
    assert both == [Span(0, 4, True), Span(4, 6, False), Span(6, 10, True)]


def test_a_ledger_with_weeks_of_stock_gives_numbers(tmp_path):
    from datetime import UTC, datetime, timedelta

    from gpuledger.core.availability.lines import lines_of

    now = datetime(2026, 11, 29, tzinfo=UTC)
    rows = [
        {
            "offer_id": "a",
            "begun": now - timedelta(days=30 - n),
            "ended": now - timedelta(days=29 - n),
            "is_there": n % 2,
        }
        for n in range(30)
    ]
    (spans,) = lines_of(rows, now).values()
    history = History(spans=tuple(spans))
    history.check()
    assert history.days == pytest.approx(30)
    assert 0 < history.there_within(12, is_there=False, age_hours=1) < 1

"""From a history of stock to the chance that a machine is there within a time, and that a spot machine stays.

A history is a line of spans in which a machine was there or not. What comes depends on the state now and on how long
it has lasted: stock that was there for a minute goes sooner than stock that was there for a day. So the chance is the
share of past moments in the same state and of the same age after which it happened, pulled towards the share of the
state where few such spans were seen.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

AGES_HOURS = (1.0, 6.0, 24.0, 96.0)
"""Bounds of the classes of age."""
STRENGTH = 5.0
"""Spans that the state's share weighs against those of the class."""
LEAST_DAYS, LEAST_SPANS = 14.0, 6
"""Less than that says nothing: not enough was seen."""


@dataclass(frozen=True)
class Span:
    """Hours from which until which a machine was there or was not."""

    begun: float
    ended: float
    is_there: bool


class NotEnoughSeen(Exception):
    """Too little history for a number; says what there is."""


def joined_spans(spans: Iterable[Span]) -> list[Span]:
    """The line of spans in their order, neighbours of one state made one."""
    out: list[Span] = []
    for span in sorted(spans, key=lambda one: one.begun):
        if span.ended <= span.begun:
            continue
        if out and out[-1].is_there == span.is_there and span.begun <= out[-1].ended + 1e-9:
            out[-1] = Span(out[-1].begun, max(out[-1].ended, span.ended), span.is_there)
        else:
            out.append(span)
    return out


def any_there(lines: Sequence[Sequence[Span]]) -> list[Span]:
    """The line of "at least one of these is there", over the time in which all were watched."""
    lines = [line for line in lines if line]
    if not lines:
        return []
    first, last = max(line[0].begun for line in lines), min(line[-1].ended for line in lines)
    edges = sorted(
        {first, last, *(t for line in lines for s in line for t in (s.begun, s.ended) if first < t < last)}
    )
    spans = [Span(a, b, any(_state(line, (a + b) / 2) for line in lines)) for a, b in pairwise(edges)]
    return joined_spans(spans)


def _state(line: Sequence[Span], at: float) -> bool:
    place = bisect.bisect_right([span.begun for span in line], at) - 1
    return 0 <= place < len(line) and line[place].is_there and at < line[place].ended


@dataclass(frozen=True, kw_only=True)
class History:
    """A line of spans, ready for questions."""

    spans: tuple[Span, ...]

    @property
    def days(self) -> float:
        return (self.spans[-1].ended - self.spans[0].begun) / 24 if self.spans else 0.0

    @property
    def share_there(self) -> float:
        whole = sum(span.ended - span.begun for span in self.spans)
        return sum(s.ended - s.begun for s in self.spans if s.is_there) / whole if whole else 0.0

    def check(self) -> None:
        """Refuse where nothing can be said.

        Raises:
            NotEnoughSeen: too few days or changes.
        """
        if self.days < LEAST_DAYS or len(self.spans) < LEAST_SPANS:
            raise NotEnoughSeen(
                f"not enough seen: {self.days:.1f} days with {max(len(self.spans) - 1, 0)} changes of stock;"
                f" {LEAST_DAYS:g} days and {LEAST_SPANS - 1} changes are the least"
            )

    def there_within(self, hours: float, *, is_there: bool | None = None, age_hours: float = 0.0) -> float:
        """The chance that the machine is there at some time within so many hours.

        Args:
            is_there: whether it is there now; not known without.
            age_hours: for how long that has been so.
        """
        if is_there:
            return 1.0
        if is_there is None:
            share = self.share_there
            return share + (1 - share) * self.change_within(hours, False, None)
        return self.change_within(hours, False, age_hours)

    def stays_for(self, hours: float, *, age_hours: float = 0.0) -> float:
        """The chance that a machine that is there stays so long."""
        return 1.0 - self.change_within(hours, True, age_hours)

    def change_within(self, hours: float, is_there: bool, age_hours: float | None) -> float:
        """The chance that a span of that state and age ends within so many hours: by spans of that class, pulled
        towards all spans of the state."""
        spans = [span for span in self.spans[:-1] if span.is_there == is_there]
        if not spans:
            return 0.0
        exposed = ended = 0.0
        for span in spans:
            # of the moments of a span, those in the last `hours` see its end
            length = span.ended - span.begun
            exposed += length
            ended += min(length, hours)
        base = ended / exposed if exposed else 0.0
        if age_hours is None:
            return base
        low = max((bound for bound in (0.0, *AGES_HOURS) if bound <= age_hours), default=0.0)
        high = min((bound for bound in AGES_HOURS if bound > age_hours), default=float("inf"))
        exposed = ended = reached = 0.0
        for span in spans:
            length = span.ended - span.begun
            inside = min(length, high) - low
            if inside <= 0:
                continue
            reached += 1
            exposed += inside
            ended += max(min(length, high) - max(low, length - hours), 0.0)
        seen = ended / exposed if exposed else base
        return (seen * reached + base * STRENGTH) / (reached + STRENGTH)


def brier(
    train: History,
    held_out: History,
    *,
    within_hours: float,
    every_hours: float = 1.0,
    is_survival: bool = False,
) -> dict[str, Any]:
    """Brier scores over moments of the time held out, of the forecast and of the climatology of the time before.

    The event is that the machine is there within the time, of moments at which it is not; or that it stays for the
    time, of moments at which it is there.
    """
    forecast = climate = 0.0
    count = happened = 0
    base = _base_rate(train, within_hours, is_survival)
    for number, span in enumerate(held_out.spans):
        if span.is_there != is_survival:
            continue
        at = span.begun
        last = number == len(held_out.spans) - 1
        while at < span.ended:
            left = span.ended - at
            if last and left < within_hours:
                break
            outcome = (left >= within_hours) if is_survival else (left < within_hours)
            age = at - span.begun
            chance = (
                train.stays_for(within_hours, age_hours=age)
                if is_survival
                else train.there_within(within_hours, is_there=False, age_hours=age)
            )
            forecast += (chance - outcome) ** 2
            climate += (base - outcome) ** 2
            happened += outcome
            count += 1
            at += every_hours
    if not count:
        return {"moments": 0, "brier": None, "climatology": None, "happened": None}
    return {
        "moments": count,
        "brier": round(forecast / count, 4),
        "climatology": round(climate / count, 4),
        "happened": round(happened / count, 4),
    }


def _base_rate(train: History, hours: float, is_survival: bool) -> float:
    change = train.change_within(hours, is_survival, None)
    return 1.0 - change if is_survival else change

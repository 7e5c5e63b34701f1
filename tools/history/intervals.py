"""When each price of an archive was seen: from the rows of a ledger that holds this archive alone, to intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

_PRICE = ("amount", "upfront_amount", "currency", "unit")
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One price of one offer, and when an archive had it in force."""

    row: Mapping[str, Any]
    """Terms, shape and price of the offer."""
    seen_from: datetime
    seen_until: datetime
    """Up to here the archive vouches for it; later it ages."""
    gone_at: datetime | None
    """When the archive said that the offer was no longer there."""


def intervals(rows: Iterable[Mapping[str, Any]]) -> Iterator[Interval]:
    """The intervals of all offers, from rows in the order of offer and time as `intervals.sql` gives them."""
    for _, group in groupby(rows, key=lambda row: row["offer_id"]):
        yield from _of_offer(list(group))


def _of_offer(rows: Sequence[Mapping[str, Any]]) -> Iterator[Interval]:
    open_: Interval | None = None
    for row in rows:
        at = row["observed_at"]
        if row["amount"] is None:
            if open_ is not None:
                yield replace(open_, seen_until=_before(open_, at), gone_at=at)
            open_ = None
            continue
        until = max(row["seen_until"], row["same_until"] or row["seen_until"])
        if open_ is not None and _price(open_.row) == _price(row) and open_.gone_at is None:
            open_ = replace(open_, seen_until=max(open_.seen_until, until), gone_at=row["gone_at"])
            continue
        if open_ is not None:
            yield replace(open_, seen_until=_before(open_, at))
        open_ = Interval(row=row, seen_from=at, seen_until=until, gone_at=row["gone_at"])
    if open_ is not None:
        yield open_


def _before(one: Interval, instant: datetime) -> datetime:
    return max(one.seen_from, min(one.seen_until, instant - _MOMENT))


def _price(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _PRICE)


def beside(first: Sequence[Interval], second: Sequence[Interval]) -> tuple[list[Interval], int]:
    """What the less trusted archive adds about one offer before and after the more trusted one has it; and how many
    of its intervals that leaves out wholly.

    Args:
        first: the intervals of the offer in the more trusted archive, in order.
        second: those of the less trusted one.
    """
    if not first:
        return list(second), 0
    begin = first[0].seen_from
    end = max(max(one.seen_until, one.gone_at or one.seen_until) for one in first)
    added: list[Interval] = []
    for one in second:
        stop = max(one.seen_until, one.gone_at or one.seen_until)
        if one.seen_from < begin:
            is_cut = stop >= begin
            until = min(one.seen_until, begin - _MOMENT)
            added.append(replace(one, seen_until=until, gone_at=None if is_cut else one.gone_at))
        if one.seen_until > end:
            added.append(replace(one, seen_from=max(one.seen_from, end + _MOMENT)))
    left = {id(one.row) for one in added}
    return added, sum(id(one.row) not in left for one in second)

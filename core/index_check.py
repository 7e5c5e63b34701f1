"""A stored day of the price index against what its evidence says anew: provider by provider, then the day itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from gpuledger.core.price_index import IndexDay, ProviderDay, chained

AGREES, DIFFERS, NO_BYTES = "agrees", "differs", "no bytes"
SAME = 1e-9
"""Of natural logarithms and of shares: sums in another order differ by less."""

VoteKey = tuple[str, date, str]
"""gpu_id, day, provider."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What one provider says of one day, as stored or as computed anew."""

    offers: int
    matched_offers: int
    log_change: float
    cheapest_usd_per_gpu_hour: Decimal | None

    @property
    def relative(self) -> float | None:
        """Price by price when last fresh or recorded, median over the matched offers; `None` without any."""
        return math.exp(self.log_change) if self.matched_offers else None


def votes_of(rows: Sequence[Mapping[str, Any]]) -> dict[VoteKey, Vote]:
    """Votes by accelerator, day and provider, of rows of `sql/queries/index_vote.sql`."""
    return {
        (row["gpu_id"], row["price_date"], row["provider"]): Vote(
            **{name: row[name] for name in Vote.__dataclass_fields__}
        )
        for row in rows
    }


def provider_rows(
    stored: Mapping[VoteKey, Vote],
    anew: Mapping[VoteKey, Vote],
    *,
    first: date,
    last: date,
    without_bytes: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One row per accelerator, day and provider of the span that either knows.

    Args:
        without_bytes: by provider, why its evidence cannot be read.
    """
    keys = sorted(key for key in {*stored, *anew} if first <= key[1] <= last)
    return [_provider_row(key, stored.get(key), anew.get(key), without_bytes) for key in keys]


def _provider_row(
    key: VoteKey, one: Vote | None, other: Vote | None, without_bytes: Mapping[str, str]
) -> dict[str, Any]:
    gpu_id, day, provider = key
    difference = "; ".join(_differences(one, other))
    state, detail = (DIFFERS, difference) if difference else (AGREES, "")
    if provider in without_bytes:
        state, detail = NO_BYTES, without_bytes[provider]
    return {
        "gpu_id": gpu_id,
        "price_date": day,
        "provider": provider,
        "state": state,
        "stored": None if one is None else one.relative,
        "recomputed": None if other is None else other.relative,
        "stored_offers": 0 if one is None else one.matched_offers,
        "recomputed_offers": 0 if other is None else other.matched_offers,
        "detail": detail or None,
    }


def _differences(stored: Vote | None, anew: Vote | None) -> list[str]:
    if stored is None or anew is None:
        where = (
            "the archived bytes, not in the index"
            if stored is None
            else "the index, not in the archived bytes"
        )
        return [f"a vote that is in {where}"]
    differences: list[str] = []
    if stored.relative != anew.relative and abs(stored.log_change - anew.log_change) > SAME:
        differences.append(
            f"relative {_ratio(stored.relative)} stored, {_ratio(anew.relative)} by the archived bytes"
        )
    for name, what in (("matched_offers", "offers to compare"), ("offers", "offers")):
        if getattr(stored, name) != getattr(anew, name):
            differences.append(
                f"{getattr(stored, name)} {what} stored, {getattr(anew, name)} by the archived bytes"
            )
    one, other = stored.cheapest_usd_per_gpu_hour, anew.cheapest_usd_per_gpu_hour
    if one != other:
        differences.append(f"cheapest {_usd(one)} stored, {_usd(other)} by the archived bytes")
    return differences


def _usd(amount: Decimal | None) -> str:
    return "none to be had" if amount is None else f"{amount.normalize():f} USD"


def _ratio(relative: float | None) -> str:
    return "none" if relative is None else f"{relative:.6f}"


_DAY_FIELDS = ("state", "index", "low", "high", "floor_usd_per_gpu_hour", "floor_provider")


def index_rows(
    stored_days: Sequence[Mapping[str, Any]],
    stored: Mapping[VoteKey, Vote],
    anew: Mapping[VoteKey, Vote],
    *,
    first: date,
    last: date,
    purchase_option: str,
    without_bytes: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One row per accelerator and day of the span: the index as stored, and chained anew from the votes of the days
    before and the recomputed ones of the span.

    Args:
        stored_days: rows of `gpu_price_index`, of all days up to the last of the span.
    """
    rows: list[dict[str, Any]] = []
    for gpu_id in sorted({row["gpu_id"] for row in stored_days} | {key[0] for key in anew}):
        votes = {key: vote for key, vote in stored.items() if key[0] == gpu_id and key[1] < first}
        unread_votes = {
            key: vote for key, vote in stored.items() if key[2] in without_bytes and first <= key[1] <= last
        }
        fresh = {key: vote for key, vote in anew.items() if first <= key[1] <= last}
        votes |= {key: vote for key, vote in (fresh | unread_votes).items() if key[0] == gpu_id}
        days = {day.day: day for day in _chained(votes, purchase_option)}
        stored_by_date = {row["price_date"]: row for row in stored_days if row["gpu_id"] == gpu_id}
        for day in sorted({*days, *stored_by_date}):
            if first <= day <= last:
                rows.append(_index_row(gpu_id, day, stored_by_date.get(day), days.get(day)))
    return rows


def _chained(votes: Mapping[VoteKey, Vote], purchase_option: str) -> list[IndexDay]:
    return chained(
        (
            ProviderDay(
                day=day,
                provider=provider,
                matched_offers=vote.matched_offers,
                log_change=vote.log_change,
                cheapest_usd_per_gpu_hour=vote.cheapest_usd_per_gpu_hour,
            )
            for (_, day, provider), vote in votes.items()
        ),
        purchase_option=purchase_option,
    )


def _index_row(
    gpu_id: str, day: date, stored: Mapping[str, Any] | None, anew: IndexDay | None
) -> dict[str, Any]:
    differences: list[str] = []
    is_carried = anew is None and stored is not None and stored["state"] == "carried"
    # the chain ends with its last vote; a day on which nobody was read has none to chain
    for name in () if is_carried else _DAY_FIELDS:
        one = None if stored is None else stored["price_index" if name == "index" else name]
        other = None if anew is None else getattr(anew, name)
        if not _is_same(one, other):
            differences.append(f"{name} {_shown(one)} stored, {_shown(other)} by the archived bytes")
    return {
        "gpu_id": gpu_id,
        "price_date": day,
        "provider": None,
        "state": DIFFERS if differences else AGREES,
        "stored": None if stored is None else stored["price_index"],
        "recomputed": stored["price_index"]
        if is_carried and stored
        else None
        if anew is None
        else anew.index,
        "stored_offers": 0 if stored is None else stored["matched_offers"],
        "recomputed_offers": 0 if anew is None else anew.matched_offers,
        "detail": "; ".join(differences) or None,
    }


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=SAME)
    return one == other


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)

"""Older prices: how one is spoken of, with the command that would see it anew, and how often prices of its age
still held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from gpuledger.core.purchase_option import option_text
from gpuledger.core.store import sql
from gpuledger.core.store.check_source import KEYS
from gpuledger.core.validity import LAPSED

if TYPE_CHECKING:
    from gpuledger.core.store.offers import LatestOffer


def banner(first: LatestOffer, at: datetime) -> str:
    """What to know where no price is fresh."""
    kind = "lapsed prices" if first.price_state(at) == LAPSED else "list prices"
    return no_live_price(kind, first.last_seen_at)


def old_and_first(first: LatestOffer, at: datetime, *, has_fresh: bool) -> str:
    """What an answer says whose first price is stale or lapsed: that no price is fresh, or else which one it is."""
    return f"stale and first: {older_price(first, at)}" if has_fresh else banner(first, at)


def no_live_price(kind: str, seen_at: datetime) -> str:
    """What an answer says that has no fresh price at all."""
    return f"no live price yet; {kind} of {seen_at:%Y-%m-%d} and around; run gpuledger refresh"


def older_price(offer: LatestOffer, at: datetime) -> str:
    """What an older price is of, its state and its age, and the command that would check it."""
    bought = option_text(offer.tier, offer.purchase_option)
    what = f"{offer.gpu_name or offer.gpu_label}, {bought}, at {offer.provider}"
    command = check_command(offer)
    check = "no source here reads it" if command is None else f"check: {command}"
    return f"{what} ({offer.price_state(at)}, seen {age_text(offer, at)} ago; {check})"


def check_command(offer: LatestOffer) -> str | None:
    """The command that would see the price anew, with the key that it takes; `None` where no source reads it."""
    if offer.check_source is None:
        return None
    key = KEYS.get(offer.check_source)
    return f"gpuledger refresh {offer.check_source}" + (f", with the key {key}" if key else "")


def age_text(offer: LatestOffer, at: datetime) -> str:
    """The age of a price in the unit that a person would use."""
    hours = offer.age(at).total_seconds() / 3600
    for size, unit in ((24 * 30.44, "months"), (24, "days")):
        if hours >= 2 * size:
            return f"{hours / size:.0f} {unit}"
    return f"{hours:.0f} hours"


# How often prices still held at an age, by the ledger's own history.

Case = tuple[str, str, float]
"""Provider, purchase option, age in hours."""


LEAST_PRICES = 10
"""Prices that ended until an age, or were watched beyond it, without which no share is told."""
LEAST_WATCHED = 5
"""Those watched beyond it, unless hardly any held: the end of the curve of a few says little of the many."""
HARDLY_ANY = 0.05


def survival(
    connection: duckdb.DuckDBPyConnection, cases: Iterable[Case], *, as_of: datetime | None = None
) -> dict[Case, str]:
    """Of each case one line on the share of the prices of that provider and purchase option that held longer than that
    age (sql/queries/price_survival.sql), and on how many it rests, or that they are too few to tell. Cases of which the
    ledger has no price at all are left out.

    Args:
        as_of: a past time, after which nothing counts.
    """
    lines = {f"{provider},{option},{hours!r}": (provider, option, hours) for provider, option, hours in cases}
    if not lines:
        return {}
    rows = sql.rows(connection, "queries/price_survival", {"cases": "\n".join(lines), "as_of": as_of})
    return {(row["provider"], row["purchase_option"], row["age_hours"]): _survival_text(row) for row in rows}


def _survival_text(row: Mapping[str, Any]) -> str:
    prices = row["watched"] + row["ends"]
    what = f"prices of {row['provider']}, {option_text(row['purchase_option'])},"
    is_told = row["watched"] >= LEAST_WATCHED or row["share"] < HARDLY_ANY
    if prices < LEAST_PRICES or not is_told:
        return (
            f"too few to tell ({prices}): of {what} {row['ends']} ended until that age and"
            f" {row['watched']} were watched beyond it"
        )
    return (
        f"{100 * row['share']:.0f} % of {prices} {what} held longer than that (product-limit estimate;"
        f" {row['watched']} were watched beyond it)"
    )

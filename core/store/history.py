"""Prices over time: intervals as recorded, or a series sampled at equal steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb

from gpuledger.core.errors import UsageError
from gpuledger.core.store import sql
from gpuledger.core.store.offers import OfferQuery

_STEP = re.compile(r"^(\d{1,4})(h|d|w|mo)$")
MOST_STEPS = 10_000
"""Of a series: a year of hours is 8,760. Its cost grows with steps times offers, and a server answers others too."""
PARTS = (2, 10)
"""Parts of the log between two checkpoints, the unfinished one among them, that are read before all of a span, so
that what is read in vain is bounded."""
_UNITS = {"h": "hours", "d": "days", "w": "weeks", "mo": "months"}


def step_interval(text: str) -> str:
    """`1d` as an SQL interval text.

    Raises:
        UsageError: not a number and h, d, w or mo.
    """
    match = _STEP.match(text)
    if not match or int(match[1]) == 0:
        raise UsageError(f"--every: {text!r} is no step, as in 1h, 1d, 1w, 1mo")
    return f"{match[1]} {_UNITS[match[2]]}"


def history_filters(query: OfferQuery) -> dict[str, Any]:
    """The part of a query that questions about the past take (sql/views/15_offer_wanted.sql).

    Raises:
        UsageError: several regions.
    """
    if len(query.regions) > 1:
        raise UsageError(
            f"region: {', '.join(query.regions)}: a history is of one region, country or continent"
        )
    return {
        "gpu_ids": query.gpu_ids,
        "providers": list(query.providers) or None,
        "region": query.regions[0] if query.regions else None,
        "tiers": list(query.tiers) or None,
        "purchase_options": list(query.purchase_options) or None,
        "min_count": query.min_gpu_count,
        "max_count": query.max_gpu_count,
    }


def price_intervals(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
) -> list[dict[str, Any]]:
    """One row per offer and interval in which its price did not change, oldest first. What has lapsed by `now` has
    an end."""
    parameters = history_filters(query) | {
        "max_rows": query.max_rows,
        "since": since,
        "until": until,
        "now": now,
    }
    return sql.rows(connection, "queries/price_intervals", parameters)


def price_moves(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    since: datetime | None,
    until: datetime,
) -> list[dict[str, Any]]:
    """One row per change of an offer's price, the newest first, at most `query.max_rows`.

    The newest part of the log is read first, and older ones only while they have to fill the rows."""
    most = query.max_rows or 100
    parameters = history_filters(query) | {"max_rows": most, "until": until}
    rows: list[dict[str, Any]] = []
    for start in _starts(connection, since, until):
        rows = sql.rows(connection, "queries/price_moves", parameters | {"since": start})
        if len(rows) >= most:
            break
    return rows


def _starts(
    connection: duckdb.DuckDBPyConnection, since: datetime | None, until: datetime
) -> Iterator[datetime | None]:
    """Times from which on to read a span: its last parts between checkpoints, then all."""
    span = {"since": since, "until": until}
    checkpoints = connection.execute(sql.text("queries/checkpoints"), span).fetchall()
    for parts in PARTS:
        if parts < len(checkpoints):
            # what changed at the checkpoint itself has its price before in the part before
            yield checkpoints[parts - 1][0] + timedelta(microseconds=1)
    yield since


def price_series(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    *,
    since: datetime | None,
    until: datetime,
    every: str,
    stat: str,
) -> list[dict[str, Any]]:
    """One row per step and purchase option: what `cheapest` as of that time answers (`min`), or the middle of the
    prices in the best state that there is (`median`), with the state, the cheapest provider and how many offers were
    on sale.

    Raises:
        UsageError: an unknown statistic, or more than `MOST_STEPS` steps.
    """
    if stat not in {"min", "median"}:
        raise UsageError(f"--stat: {stat!r} is neither min nor median")
    parameters = history_filters(query) | {"since": since, "until": until, "every": every}
    spans = {name: parameters[name] for name in ("gpu_ids", "since", "until", "every")}
    (steps,) = sql.first(connection, sql.text("queries/step_count"), spans) or (None,)
    if steps is not None and steps > MOST_STEPS:
        raise UsageError(
            f"--every: this history has {steps:,.0f} such steps, and at most {MOST_STEPS:,} are answered:"
            " name --from, or a longer step"
        )
    return sql.rows(connection, "queries/price_series", parameters | {"stat": stat})

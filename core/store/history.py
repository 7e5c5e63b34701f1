"""Prices over time: intervals as recorded, or a series sampled at equal steps."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import duckdb

from gpuledger.core.errors import UsageError
from gpuledger.core.store import sql
from gpuledger.core.store.offers import OfferFilter

_STEP = re.compile(r"^(\d{1,4})(h|d|w|mo)$")
_UNITS = {"h": "hours", "d": "days", "w": "weeks", "mo": "months"}
_FILTERS = ("gpu_ids", "providers", "region", "tiers", "purchase_options", "min_count", "max_count")


def interval(text: str) -> str:
    """`1d` as an SQL interval text.

    Raises:
        UsageError: not a number and h, d, w or mo.
    """
    found = _STEP.match(text)
    if not found or int(found[1]) == 0:
        raise UsageError(f"--every: {text!r} is no step, as in 1h, 1d, 1w, 1mo")
    return f"{found[1]} {_UNITS[found[2]]}"


def price_intervals(
    connection: duckdb.DuckDBPyConnection,
    wanted: OfferFilter,
    *,
    since: datetime | None,
    until: datetime | None,
) -> list[dict[str, Any]]:
    """One row per offer and interval in which its price did not change, oldest first."""
    parameters = {name: getattr(wanted, name) for name in (*_FILTERS, "max_rows")}
    return sql.rows(connection, "queries/price_intervals", parameters | {"since": since, "until": until})


def price_series(
    connection: duckdb.DuckDBPyConnection,
    wanted: OfferFilter,
    *,
    since: datetime | None,
    until: datetime,
    every: str,
    stat: str,
) -> list[dict[str, Any]]:
    """One row per step: a statistic over the offers whose price held at that time, and how many there were.

    Raises:
        UsageError: an unknown statistic.
    """
    if stat not in {"min", "median"}:
        raise UsageError(f"--stat: {stat!r} is neither min nor median")
    parameters = {name: getattr(wanted, name) for name in _FILTERS}
    return sql.rows(
        connection,
        "queries/price_series",
        parameters | {"since": since, "until": until, "every": every, "stat": stat},
    )

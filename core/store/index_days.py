# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The index of every accelerator, kept at publishing: votes by day from the logs, then chained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Literal, get_args

import duckdb

from gpuledger.core.errors import UsageError
from gpuledger.core.price_index import IndexDay, ProviderDay, chained
from gpuledger.core.provider_name import cloud_in
from gpuledger.core.store import sql

Segment = Literal["all", "hyperscaler", "neocloud", "marketplace"]
SEGMENTS: tuple[str, ...] = get_args(Segment)

SeriesKey = tuple[str, str, str | None]
"""gpu_id, purchase_option, segment (`None`: all)."""


def derive_votes(connection: duckdb.DuckDBPyConnection, *, start: date, stop: date) -> None:
    """Append the votes of the days from `start` to before `stop`."""
    listed = connection.execute("select distinct provider from offer").fetchall()
    doubtful = [provider for (provider,) in listed if cloud_in(provider) is not None]
    connection.execute(
        sql.text("derive/gpu_vote_day"), {"from_date": start, "to_date": stop, "doubtful": doubtful}
    )


def derive_index(connection: duckdb.DuckDBPyConnection, *, since: date = date.min) -> None:
    """Chain votes anew and keep the days, of every series with a vote or a day since a date: a late import may change
    any of its later days."""
    import pyarrow as pa

    connection.execute(sql.text("derive/gpu_index_changed"), {"since": since})

    columns: dict[str, list[Any]] = {name: [] for name in ("gpu_id", "purchase_option", "segment", *_COLUMNS)}
    for (gpu_id, purchase_option, segment), votes in _votes(connection):
        days = chained(votes, purchase_option=purchase_option)
        for name, value in (("gpu_id", gpu_id), ("purchase_option", purchase_option), ("segment", segment)):
            columns[name] += [value] * len(days)
        for name, values in zip(_COLUMNS, zip(*map(_FIELDS, days), strict=True), strict=False):
            columns[name] += values
    connection.execute(sql.text("derive/no_gpu_index_day"))
    if columns["gpu_id"]:
        with sql.registered(connection, index_days=pa.table(columns, schema=_schema())):
            connection.execute("insert into gpu_index_day by name select * from index_days")


def _schema() -> Any:
    import pyarrow as pa

    money, kinds = pa.decimal128(18, 6), {"price_date": pa.date32(), "chain": pa.int32()}
    kinds |= dict.fromkeys(("providers", "matched_offers"), pa.int32())
    kinds |= dict.fromkeys(("price_index", "low", "high", "dispersion"), pa.float64())
    kinds |= dict.fromkeys(("floor_usd_per_gpu_hour", "median_usd_per_gpu_hour", "usd_per_gpu_hour"), money)
    return pa.schema(
        [(name, kinds.get(name, pa.string())) for name in ("gpu_id", "purchase_option", "segment", *_COLUMNS)]
    )


def _votes(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[SeriesKey, list[ProviderDay]]]:
    rows = connection.execute(sql.text("derive/gpu_index_vote")).fetchall()
    for key, group in groupby(rows, key=itemgetter(0, 1, 2)):
        yield (
            key,
            [
                ProviderDay(
                    day=row[3], provider=row[4], matched_offers=row[5], log_change=row[6],
                    cheapest_usd_per_gpu_hour=row[7],
                )
                for row in group
            ],
        )  # fmt: skip


_COLUMNS = {
    "price_date": "day",
    "state": "state",
    "reason": "reason",
    "chain": "chain",
    "price_index": "index",
    "low": "low",
    "high": "high",
    "providers": "providers",
    "matched_offers": "matched_offers",
    "dispersion": "dispersion",
    "floor_usd_per_gpu_hour": "floor_usd_per_gpu_hour",
    "floor_provider": "floor_provider",
    "median_usd_per_gpu_hour": "median_usd_per_gpu_hour",
    "usd_per_gpu_hour": "usd_per_gpu_hour",
}
"""Column of gpu_index_day -> field of `IndexDay`."""
assert set(_COLUMNS.values()) == set(IndexDay.__dataclass_fields__)
_FIELDS = attrgetter(*_COLUMNS.values())


def price_index(
    connection: duckdb.DuckDBPyConnection,
    gpu_ids: Sequence[str],
    *,
    purchase_option: str,
    segment: str = "all",
    first_date: date | None = None,
    last_date: date | None = None,
) -> list[dict[str, Any]]:
    """Rows of `gpu_price_index` of some accelerators, oldest first.

    Raises:
        UsageError: no such segment.
    """
    if segment not in SEGMENTS:
        raise UsageError(f"segment: {segment!r} is none of {', '.join(SEGMENTS)}")
    parameters = {
        "gpu_ids": ",".join(gpu_ids),
        "purchase_option": purchase_option,
        "segment": segment,
        "first_date": first_date,
        "last_date": last_date,
    }
    return sql.rows(connection, "queries/price_index", parameters)


def administered_spot(connection: duckdb.DuckDBPyConnection, gpu_ids: Sequence[str]) -> list[str]:
    """One line for each provider whose spot price of these accelerators is one fixed share of its on-demand price: such
    a price is set, not found by a market."""
    rows = sql.rows(connection, "queries/administered_spot", {"gpu_ids": ",".join(gpu_ids)})
    return [
        f"spot of {row['provider']} is administered: {row['share_of_on_demand']:.4g} of its on-demand price in"
        f" {row['pairs']} pairs of offers"
        for row in rows
    ]

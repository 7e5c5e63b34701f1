"""What is on sale, now or at a past time, under one name for the queries that choose from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

from gpuledger.core.store import sql


def set_on_sale(
    connection: duckdb.DuckDBPyConnection,
    *,
    at: datetime | None,
    as_of: datetime | None,
    gpu_ids: Sequence[str] | None = None,
) -> None:
    """Make the temporary view `on_sale` of this connection: the columns of `offer_latest`, `row_no`, and
    `price_state` at the time `at`.

    Args:
        gpu_ids: accelerators that are asked about; of a past time no others are read then.
    """
    connection.execute("set variable question_at = $at::timestamptz", {"at": at})
    if as_of is not None:
        connection.execute("set variable as_of = $as_of::timestamptz", {"as_of": as_of})
        wanted = None if gpu_ids is None else list(gpu_ids)
        connection.execute("set variable past_gpu_ids = $gpu_ids::varchar[]", {"gpu_ids": wanted})
        connection.execute(sql.text("queries/offer_past"))
    connection.execute(sql.text("queries/on_sale" if as_of is None else "queries/on_sale_then"))

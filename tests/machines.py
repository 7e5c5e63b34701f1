"""Whether another machine sees the same: what a shared store is for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.rollups import check_rollups
from gpuledger.core.store.shared.move import Content, contents_of_lake, contents_of_ledger

DERIVED = (
    "select offer.source, offer.offer_id, offer.gpu_id, current.changed_at, current.amount, current.upfront_amount,"
    " current.currency, current.unit, current.effective_at, current.availability"
    " from offer inner join offer_current as current using (offer_no) order by all"
)
HISTORY = "select * exclude (run_no, document_no) from price_history order by all"


Bring = Callable[[duckdb.DuckDBPyConnection, Home], object]


def seen_by(home: Home, bring: Bring) -> tuple[list[Content], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What a machine holds: the log, the state that it keeps beside, and the history that readers see.

    Args:
        bring: brings the database to this release and up to the log.
    """
    with turn(home), writing(home) as connection:
        bring(connection, home)
        check_rollups(connection, everything=True)
        return (
            contents_of_ledger(connection),
            connection.execute(DERIVED).fetchall(),
            connection.execute(HISTORY).fetchall(),
        )


def assert_a_new_machine_sees_the_same(home: Home, folder: Path, bring: Bring) -> None:
    """A home that catches up from nothing has what the first one has, and what the lake has."""
    assert home.lake is not None
    other = replace(home, path=folder)
    ours, theirs = seen_by(home, bring), seen_by(other, bring)
    assert theirs == ours
    with turn(other), writing(other) as connection:
        assert contents_of_lake(home.lake, connection) == ours[0]

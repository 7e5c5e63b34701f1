"""A snapshot of what the store holds now, without fetching anything: for machines that only read a shared store."""

from __future__ import annotations

from contextlib import suppress

import duckdb

from gpuledger.core.errors import EmptyLedgerError, OutdatedError
from gpuledger.core.store import sql
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.publish import publish, reading
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger

_STATE = (
    "select (select count(*) from scrape_run), (select value from ledger_setting where name = 'reference')"
)


def publish_news(ledger: LedgerWriter) -> int | None:
    """Publish if there are runs or reference data that readers have not seen; the snapshot's number, or `None`.

    Raises:
        StoreError: a check found the ledger wrong, or the store does not answer.
    """
    with turn(ledger.home):
        with writing(ledger.home) as connection:
            open_ledger(ledger, connection)
            state = _state(connection)
        with suppress(EmptyLedgerError, OutdatedError), reading(ledger.home) as connection:
            if _state(connection) == state:
                return None
        return publish(ledger.home, now=ledger.clock())


def _state(connection: duckdb.DuckDBPyConnection) -> tuple[int, str] | None:
    return sql.first(connection, _STATE)

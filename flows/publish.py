"""A snapshot of what the store holds now, without fetching anything: for machines that only read a shared store."""

from __future__ import annotations

from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.publish import complete_step, hand_out, has_news, publish_rest
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger


def publish_news(ledger: LedgerWriter) -> int | None:
    """Publish if there are runs or reference data that readers have not seen; the snapshot's number, or `None`.

    Raises:
        StoreError: a check found the ledger wrong, or the store does not answer.
    """
    with turn(ledger.home):
        with writing(ledger.home) as connection:
            open_ledger(ledger, connection)
            if not has_news(ledger.home, connection):
                return None
            number = complete_step(ledger.home, connection, now=ledger.clock())
        if number is not None:
            return hand_out(ledger.home, number)
    return publish_rest(ledger.home, ledger.clock)

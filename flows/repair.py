"""One command after a clock was ahead: what it dated into the future is set aside, and the ledger is built again.

What is set aside stays in the archive's folder `set-aside`, as evidence; its true time is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpuledger.core.errors import StoreError
from gpuledger.core.store.archive import started_at
from gpuledger.core.store.catalogue import clock_of
from gpuledger.core.store.clocks import check_machine, is_ahead
from gpuledger.core.store.database import turn
from gpuledger.flows.ledger import Ledger
from gpuledger.flows.replay import ReplayReport, replay


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What a repair did."""

    set_aside: tuple[str, ...]
    """Runs whose time lies ahead of the clock."""
    replayed: ReplayReport | None
    """None where nothing had to be set aside."""


def repair(ledger: Ledger) -> Repaired:
    """Set the runs aside that began ahead of the clock, and replay the others.

    Raises:
        ClockError: this machine's clock is ahead of the shared store's.
        StoreError: the disk refused, or the catalogue does not answer.
    """
    now = clock_of(ledger.home.lake) if ledger.home.lake else ledger.clock()
    check_machine(ledger.clock(), now)
    with turn(ledger.home):
        runs = [run for run in ledger.archive.run_ids(None) if is_ahead(started_at(run)[0], now)]
        for run in runs:
            try:
                ledger.archive.set_aside(run)
            except OSError as error:
                raise StoreError(f"cannot set {run} aside: {error.strerror}") from error
    return Repaired(set_aside=tuple(runs), replayed=replay(ledger) if runs else None)

"""Clocks: of this machine, and the one that all machines of a store have in common. A run whose time lies ahead of the
common clock would go before every true run until then, so it is neither fetched nor recorded."""

from __future__ import annotations

from datetime import datetime, timedelta

from gpuledger.core.errors import ClockError

TOLERANCE = timedelta(minutes=5)
"""What clocks may differ by."""


def is_ahead(time: datetime, now: datetime) -> bool:
    """Whether a time lies further ahead of the common clock than clocks may differ."""
    return time > now + TOLERANCE


def check_machine(own: datetime, common: datetime) -> None:
    """Refuse to read anything by a clock that is ahead.

    Raises:
        ClockError: this machine's clock is more than five minutes ahead of the common one.
    """
    if is_ahead(own, common):
        raise ClockError(
            f"this machine's clock is {_hours(own - common)} ahead of the shared store's ({own:%Y-%m-%dT%H:%M:%SZ}"
            f" against {common:%Y-%m-%dT%H:%M:%SZ}): set it right (chrony, ntpd); nothing was fetched or recorded"
        )


def check_last_run(run: str, began_at: datetime, now: datetime) -> None:
    """Refuse to go on after a run that began in the future.

    Raises:
        ClockError: it did; a clock was ahead then, or is behind now.
    """
    if is_ahead(began_at, now):
        raise ClockError(
            f"the newest run {run} began {_hours(began_at - now)} ahead of the clock: if the clock is right now,"
            " `gpuledger repair` sets the runs of that time aside and rebuilds the ledger; if not, set it right"
        )


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h"

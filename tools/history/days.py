"""Derive the days of the bundled lists and write them to `sql/history/days`, for
`gpuledger.core.store.bundled_days`.

    python -m tools.history.days

To be run after any change of the lists, the accelerators or the rules of the index; a test says when.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gpuledger.core.store import bundled_days
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.imports import load_bundled
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.scrapers.archives.registry import EVERY_SOURCE


def main() -> None:
    """Write them anew, whatever is there."""
    shutil.rmtree(bundled_days.FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        ledger = LedgerWriter(
            home=Home(Path(place), has_history=True), sources=EVERY_SOURCE, clock=lambda: datetime.now(UTC)
        )
        load_bundled(ledger)
        with reading(ledger.home) as connection:
            last = connection.execute("select max(observed_at) from price_change").fetchall()[0][0]
            until = last.astimezone(UTC).date() + timedelta(days=1)
            bundled_days.write(connection, bundled_days.FOLDER, until=until)
    for path in sorted(bundled_days.FOLDER.glob("*")):
        sys.stderr.write(f"{path.name}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()

"""What must hold after every fault: said once, checked everywhere."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.rollups import check_rollups
from gpuledger.flows.pipeline import LedgerWriter, open_ledger, record_runs
from gpuledger.flows.replay import replay

Price = tuple[str, str, datetime, Decimal | None]
"""Source, sku, time, amount (`None`: withdrawn)."""


@dataclass(frozen=True)
class Committed:
    """Every price and run that the ledger holds."""

    prices: Counter[Price] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)


RESTORED: list[Path] = []
"""Homes whose database a kill had broken, one entry each time."""


def committed(ledger: LedgerWriter) -> Committed:
    """What the database holds now; opening it repairs what a killed writer left, and every check is clean."""
    broken = ledger.home.path / "ledger.duckdb.broken"
    with turn(ledger.home), writing(ledger.home) as connection:
        open_ledger(ledger, connection)
    if broken.exists():
        # Restored from a snapshot: what was recorded since comes from the archive, as for any next writer.
        record_runs(ledger, [], do_publish=False)
        broken.unlink()
        RESTORED.append(ledger.home.path)
    with turn(ledger.home), writing(ledger.home) as connection:
        check_rollups(connection, everything=True)
        prices = connection.execute(
            "select offer.source, offer.sku, price_change.observed_at, price_change.amount"
            " from price_change inner join offer using (offer_no)"
        ).fetchall()
        runs = connection.execute("select run_id from scrape_run").fetchall()
    return Committed(Counter(prices), Counter(run for (run,) in runs))


def assert_nothing_lost(before: Committed, after: Committed) -> None:
    """All that was committed is still there, and nothing is there twice."""
    assert not before.prices - after.prices, "a committed price is gone"
    assert not before.runs - after.runs, "a recorded run is gone"
    assert set(after.prices.values()) <= {1}, "a price is there twice"
    assert set(after.runs.values()) <= {1}, "a run is there twice"


def assert_archive_recorded(ledger: LedgerWriter, now: Committed) -> None:
    """Every run of the archive is in the ledger, once, and no other."""
    archived = {manifest.run_id for manifest in ledger.archive.manifests()}
    assert archived == set(now.runs), "the archive and the ledger name different runs"


def assert_replay_agrees(ledger: LedgerWriter) -> int:
    """The archive alone gives the same history; returns its price intervals."""
    report = replay(ledger, keep=False)
    assert (report.added, report.removed) == (0, 0), report.examples
    return report.intervals

"""What a refresh would see now, without a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gpuledger.core.alias import Aliases
from gpuledger.core.store.batch import Batch
from gpuledger.core.store.home import Home
from gpuledger.flows.ledger import CycleReport, LedgerWriter, RunReport
from gpuledger.flows.pipeline import fetch_all
from gpuledger.flows.validate import Parsed, judge
from gpuledger.scrapers.http.fetch import Fetcher
from gpuledger.scrapers.source import Source


def check_only(ledger: LedgerWriter, sources: Sequence[Source], fetcher: Fetcher) -> CycleReport:
    """Fetch and judge; the answers go to a folder that is thrown away."""
    with TemporaryDirectory(prefix="gpuledger-") as folder:
        elsewhere = replace(ledger, home=Home(Path(folder)))
        parsed, _, skipped = fetch_all(elsewhere, sources, fetcher, lambda source, what: None)
        aliases = Aliases(ledger.alias_rows())
        runs = [_dry_report(judge(run, aliases=aliases, usd_per_unit={}), run) for run in parsed]
    return CycleReport(runs=(*runs, *skipped), snapshot=None)


def _dry_report(batch: Batch, run: Parsed) -> RunReport:
    return RunReport(
        source=run.source.name,
        run_id=run.manifest.run_id,
        outcome="checked" if batch.outcome == "accepted" else batch.outcome,
        offers=len(run.offers),
        skipped=dict(Counter(row.reason for row in run.skipped).most_common()),
        error=batch.error.message if batch.error else None,
        url=batch.error.url if batch.error else None,
    )

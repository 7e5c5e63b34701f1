"""The sources page: how fresh each is, how it was read for fourteen days, what is disputed, and what covers whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request

from gpuledger.web.page.frame import Made, snapshot_cache
from gpuledger.web.page.listings import source_rows
from gpuledger.web.page.state import Elsewhere, PageState, address, command_line
from gpuledger.web.responses import ledger_of

DAYS = 14


def sources(request: Request, state: PageState) -> Made:
    """Freshness and coverage of every source, live or imported."""
    cache = snapshot_cache(request)
    with ledger_of(request).pinned() as ledger:
        edition, now = ledger.edition, ledger.clock()
        version = edition.version(now)
        shares = {
            row["source"]: row for row in cache.look_up(ledger, ("shares", version), ledger.source_shares)
        }
        strips = _strips(cache.look_up(ledger, ("run days", now.date()), lambda: ledger.run_days(days=DAYS)))
        days = [(now - timedelta(days=DAYS - 1 - number)).date() for number in range(DAYS)]
        status = ledger.status()
        rows = source_rows(status)
        for row in rows:
            row["share"] = shares.get(row["source"])
            row["strip"] = [_day(strips.get((row["source"], day)), day) for day in days]
        live = {row["source"] for row in rows}
        return Made(
            edition,
            {
                "rows": rows,
                "remarks": status.remarks,
                "fresh": sum(row["state"] == "fresh" for row in rows),
                "lists": [row for name, row in shares.items() if name not in live],
                "imports": cache.look_up(ledger, "imports", ledger.imports),
                "disputes": cache.look_up(ledger, "disputes", ledger.disputes),
                "providers": cache.look_up(ledger, "providers", ledger.providers),
                "unmapped": cache.look_up(ledger, "unmapped", ledger.unmapped)[:50],
                "settle": _settle,
                "days": DAYS,
            },
            Elsewhere("gpuledger status", address("/v1/status"), _SQL),
        )


_SQL = """\
select source, max(observed_at) filter (outcome = 'accepted') as last_accepted_at, max(started_at) as last_run_at,
    count(*) filter (outcome <> 'accepted') as not_accepted, arg_max(outcome, started_at) as last_outcome
from scrape_run
group by source
order by source"""


def _strips(rows: list[dict[str, Any]]) -> dict[tuple[str, Any], dict[str, Any]]:
    return {(row["source"], row["run_date"]): row for row in rows}


def _day(row: Mapping[str, Any] | None, day: Any) -> tuple[str, str]:
    """Class and title of one day of a source: its worst run."""
    if row is None:
        return "", f"{day}: not read"
    worst = "failed" if row["failed"] else "quarantined" if row["quarantined"] else "accepted"
    outcome_counts = ", ".join(
        f"{row[name]} {name}" for name in ("accepted", "quarantined", "failed") if row[name]
    )
    return worst, f"{day}: {outcome_counts}"


def _settle(row: Mapping[str, Any], verb: str) -> str:
    """The command that settles a dispute."""
    return command_line(verb, f"{row['source']}:{row['offer_id']}", reason="WHY")

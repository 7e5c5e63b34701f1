"""`docs/findings.md`, from the bundled history: `python -m tools.docs.findings_page > docs/findings.md`.

Every figure stands below the query that gives it, and the sentences take their figures from the same rows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpuledger import Ledger
from gpuledger.core.store.home import Home
from gpuledger.flows.imports import load_bundled
from gpuledger.flows.ledger import LedgerWriter as Writer
from gpuledger.scrapers.archives.registry import EVERY_SOURCE

HEAD = """# Findings: what GPU prices did

Written by `make docs` from the [bundled history](sources.md#the-bundled-history), which every new ledger has; each
table stands below the query that gives it. They tell of what was recorded: hyperscalers' list prices since 2013 and,
of neoclouds, of 2022, 2023 and since 2025. A market that nobody recorded is not in them.
"""

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Finding:
    """One question about the past."""

    title: str
    query: str
    words: Callable[[Rows], str]
    caveat: str


def _years(rows: Rows) -> str:
    first = {row["gpu"]: row for row in reversed(rows)}
    last = {row["gpu"]: row for row in rows}
    told = (
        f"{gpu} {first[gpu]['cheapest']} to {first[gpu]['dearest']} in {first[gpu]['year']},"
        f" {last[gpu]['cheapest']} to {last[gpu]['dearest']} in {last[gpu]['year']}"
        for gpu in ("H100", "A100 80GB", "V100")
    )
    return f"From the cheapest to the dearest provider, in US dollars per GPU and hour on demand: {'; '.join(told)}."


def _half_lives(rows: Rows) -> str:
    told = (f"{row['gpu_id']} halves in {row['halves_in_years']} years" for row in rows)
    return f"Where a steady fall describes the floor at all (R² of 0.5 and more): {', '.join(told)}."


def _spot(rows: Rows) -> str:
    newest = {row["family"]: row for row in rows}
    told = (f"{family} {row['median']:.0f} % in {row['year']}" for family, row in newest.items())
    return f"The median discount of Google's spot machines was {', '.join(told)}."


def _regions(rows: Rows) -> str:
    told = (f"{row['provider']} {row['median_spread']:.2f} (the widest {row['widest']:.2f})" for row in rows)
    return (
        f"The dearest region of a machine costs this much of the cheapest, in the median: {', '.join(told)}."
    )


def _changes(rows: Rows) -> str:
    told = (
        f"{row['provider']} {row['changes_a_year']:.2f}"
        for row in rows
        if row["purchase_option"] == "on_demand"
    )
    spot = next(row for row in rows if row["purchase_option"] == "spot")
    return (
        f"An on-demand list price moves this often a year: {', '.join(told)}."
        f" Google's spot prices move {spot['changes_a_year']:.1f} times a year."
    )


def _cuts(rows: Rows) -> str:
    row = rows[0]
    return (
        f"The deepest: {row['provider']} {row['instance_type']}, {row['percent']:.0f} % in {row['regions']} regions,"
        f" seen on {row['seen_on']}."
    )


FINDINGS = (
    Finding(
        "What an H100, an A100 and a V100 cost through the years",
        """with day as (
  select unnest(range(date '2014-07-01', date '2026-07-02', interval 1 year))::timestamptz as day
),
seen as (
  select day, provider, min(usd_per_gpu_hour) as usd,
    case
      when gpu_id like 'v100%' then 'V100'
      when gpu_id like 'a100%40gb' then 'A100 40GB'
      when gpu_id like 'a100%80gb' then 'A100 80GB'
      when gpu_id like 'h100%' then 'H100'
    end as gpu
  from price_history
  join day on valid_from <= day and coalesce(valid_to, 'infinity') > day
  where purchase_option = 'on_demand' and gpu_count >= 1
  group by all
)
select gpu, year(day) as year, count(*) as providers, min(usd)::decimal(9, 2) as cheapest,
  median(usd)::decimal(9, 2) as median, max(usd)::decimal(9, 2) as dearest
from seen where gpu is not null group by all order by gpu, year""",
        _years,
        "Prices in force or not yet lapsed on 1 July, the cheapest of each provider. The panel changes: a"
        " median that moves tells of providers that came and went as well as of prices.",
    ),
    Finding(
        "How long until the cheapest price halves",
        """with month as (
  select gpu_id, date_trunc('month', price_date) as month, min(min_usd_per_gpu_hour)::double as usd
  from gpu_price_day
  where purchase_option = 'on_demand' and provider is null
    and price_date between '2022-07-01' and '2026-08-31'
  group by all
)
select gpu_id, count(*) as months, (first(usd order by month))::decimal(9, 2) as first_usd,
  (last(usd order by month))::decimal(9, 2) as last_usd,
  (-ln(2) / regr_slope(ln(usd), epoch(month) / 31556952))::decimal(9, 1) as halves_in_years,
  regr_r2(ln(usd), epoch(month))::decimal(4, 2) as r2
from month
group by gpu_id
having count(*) >= 24 and min(usd) < max(usd) -- sums of what never moved are not quite zero
  and regr_slope(ln(usd), epoch(month)) < 0 and regr_r2(ln(usd), epoch(month)) >= 0.5
order by halves_in_years, gpu_id""",
        _half_lives,
        "A straight line through the logarithm of the month's cheapest price. Of all others no half-life "
        "can be told: their floor stood"
        " still and fell at once, when a provider came or a list was cut. The index, which compares "
        "offers with themselves, is in"
        " `gpuledger index`.",
    ),
    Finding(
        "What spot saves",
        """with pair as (
  select year(spot.valid_from) as year, split_part(spot.sku, '-', 1) as family,
    1 - spot.usd_per_hour / listed.usd_per_hour as discount
  from price_history as spot
  join price_history as listed
    on spot.sku = listed.sku and spot.region = listed.region and spot.source = listed.source
    and listed.purchase_option = 'on_demand' and listed.valid_from <= spot.valid_from
    and coalesce(listed.valid_to, 'infinity') > spot.valid_from
  where spot.source = 'history_gcp' and spot.purchase_option = 'spot'
)
select family, year, count(*) as prices, round(100 * quantile_cont(discount, 0.1))::integer as p10,
  round(100 * median(discount))::integer as median, round(100 * quantile_cont(discount, 0.9))::integer as p90
from pair group by all order by family, year""",
        _spot,
        "Percent off the on-demand price of the same machine in the same region. Computed by the archive "
        "from Google's parts; regions"
        " where the accelerator is not sold are left out.",
    ),
    Finding(
        "How far regions lie apart",
        """with listed as (
  select provider, sku, region, min(usd_per_hour) as usd
  from price_history
  where purchase_option = 'on_demand' and source in ('history_aws', 'history_azure', 'history_gcp')
    and valid_from <= if(provider = 'aws', timestamptz '2022-04-01', timestamptz '2025-06-01')
    and coalesce(valid_to, 'infinity') > if(provider = 'aws', timestamptz '2022-04-01', timestamptz '2025-06-01')
  group by all
),
spread as (
  select provider, sku, count(*) as regions, max(usd) / min(usd) as spread from listed group by all
)
select provider, count(*) as machines, max(regions) as regions, median(spread)::decimal(9, 2) as median_spread,
  max(spread)::decimal(9, 2) as widest
from spread where regions >= 3 group by provider order by provider""",
        _regions,
        "Machines sold in at least three regions; AWS on 1 April 2022, when all its regions were "
        "recorded, the others on 1 June 2025.",
    ),
    Finding(
        "How often a list price changes",
        """with step as (
  select provider, purchase_option, offer_id, valid_from, last_seen_at, usd_per_hour,
    lag(usd_per_hour) over (partition by source, offer_id order by valid_from) as before
  from price_history
  where source in ('history_aws', 'history_azure', 'history_gcp')
)
select provider, purchase_option, count(distinct offer_id) as offers,
  round(sum(epoch(last_seen_at - valid_from)) / 31556952)::integer as offer_years,
  count(*) filter (before <> usd_per_hour) as changes,
  (count(*) filter (before <> usd_per_hour) / (sum(epoch(last_seen_at - valid_from)) / 31556952))::decimal(9, 2)
    as changes_a_year,
  round(100 * avg((usd_per_hour < before)::integer) filter (before <> usd_per_hour))::integer as percent_down
from step group by all order by provider, purchase_option""",
        _changes,
        "Of the time in which an archive had the price in force. Archives are read about weekly, so two "
        "moves within a week count"
        " once.",
    ),
    Finding(
        "The deepest cuts of list prices",
        """with step as (
  select provider, instance_type, gpu_id, valid_from::date as seen_on, usd_per_hour,
    lag(usd_per_hour) over (partition by source, offer_id order by valid_from) as before
  from price_history
  where purchase_option = 'on_demand' and source in ('history_aws', 'history_azure', 'history_gcp')
)
select seen_on, provider, instance_type, any_value(gpu_id) as gpu_id, count(*) as regions,
  median(before)::decimal(9, 2) as before_usd, median(usd_per_hour)::decimal(9, 2) as after_usd,
  round(100 * median(usd_per_hour / before - 1))::integer as percent
from step where usd_per_hour < 0.9 * before
group by all order by percent, instance_type, seen_on limit 12""",
        _cuts,
        "The day is that of the first version of the archive with the new price; Azure's versions lie months apart.",
    ),
)


def page() -> str:
    """The page as Markdown, from a new ledger with the bundled history."""
    with tempfile.TemporaryDirectory() as place:
        home = Home(Path(place), has_history=True)
        load_bundled(Writer(home=home, sources=EVERY_SOURCE, clock=lambda: datetime.now(UTC)))
        ledger = Ledger(home, environ={})
        return HEAD + "".join(_section(finding, ledger, home.path) for finding in FINDINGS)


def _section(finding: Finding, ledger: Ledger, home: Path) -> str:
    rows = list(ledger.query(finding.query))
    indented = finding.query.replace("\n", "\n  ")
    return (
        f'\n## {finding.title}\n\n{finding.words(rows)}\n\n```console\n$ gpuledger sql "{indented}" --format md\n'
        f"{_answer(finding.query, home)}```\n\n{finding.caveat}\n"
    )


def _answer(query: str, home: Path) -> str:
    program = [sys.executable, "-c", "from gpuledger.cli.main import main; main()"]
    done = subprocess.run(
        [*program, "--home", str(home), "sql", query, "--format", "md"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(page())

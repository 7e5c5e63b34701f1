"""A made-up market of any size with a year of prices, written straight into the ledger's tables.

A third of the offers is spot and changes its price at 20 % of the steps, the others at 1.5 %: with hourly
steps that is 40 million changes for 60,000 offers. Prices fall slowly and differ by accelerator, provider and
purchase option.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from gpuledger.core.alias import seed_rows
from gpuledger.core.store import database
from gpuledger.core.store.database import transaction, turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import publish

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
"""What time it is in the tests."""

SOURCE = "runpod"
PROVIDERS = [
    *("runpod", "lambda", "coreweave", "aws", "azure", "gcp", "oci", "vast", "nebius", "crusoe"),
    *(
        "verda",
        "hyperstack",
        "vultr",
        "digitalocean",
        "scaleway",
        "ovh",
        "linode",
        "massedcompute",
        "latitude",
    ),
    "tensordock",
]

CHIPS = [
    "a10-24gb",
    "a100-40gb",
    "a100-80gb",
    "a100-pcie-40gb",
    "a100-pcie-80gb",
    "a100-sxm-40gb",
    "a100-sxm-80gb",
    "a10g-24gb",
    "a16-16gb",
    "a30-24gb",
    "a40-48gb",
    "a800-sxm-80gb",
    "ai-100-16gb",
    "b100-sxm-192gb",
    "b200-sxm-180gb",
    "b300-sxm-288gb",
    "gaudi-32gb",
    "gaudi2-96gb",
    "gaudi3-128gb",
    "gb200-186gb",
    "gb300-288gb",
    "gh200-144gb",
    "gh200-96gb",
    "gtx-1050-2gb",
    "gtx-1050-ti-4gb",
    "gtx-1080-ti-11gb",
    "h100-80gb",
    "h100-nvl-94gb",
    "h100-pcie-80gb",
    "h100-sxm-80gb",
    "h20-sxm-96gb",
    "h200-141gb",
    "h200-nvl-141gb",
    "h200-sxm-141gb",
    "h800-sxm-80gb",
    "inferentia1-8gb",
    "inferentia2-32gb",
    "k520-4gb",
    "k80-12gb",
    "l4-24gb",
    "l40-48gb",
    "l40s-48gb",
    "m2050-3gb",
    "m60-8gb",
    "mi210-64gb",
    "mi25-16gb",
    "mi250-128gb",
    "mi250x-128gb",
    "mi300x-192gb",
    "mi325x-256gb",
    "mi350x-288gb",
    "mi355x-288gb",
    "p100-pcie-16gb",
    "p4-8gb",
    "p40-24gb",
    "quadro-rtx-5000-16gb",
    "radeon-pro-v520-8gb",
    "radeon-pro-v620-32gb",
    "radeon-pro-v710-28gb",
    "rtx-2000-ada-16gb",
]
"""What is sold: named, so that a new row in sql/seeds/gpu.csv leaves the market as it is."""

SETUP = """
create or replace temp macro amount_of(n, step, worth) as
    worth * (0.8 + 0.02 * (hash(n % 20) % 20)) * if(n % 3 = 0, 0.45, 1.0)
    * (1.15 - 0.3 * step / $steps) * (1 + 0.04 * ((hash(n * 31 + step) % 1000) / 1000 - 0.5));
create or replace temp table chip as
    select gpu_id, name, memory_gib, 0.08 + coalesce(bf16_tflops, 40) / 420 + memory_gib / 90 as worth,
        list_position($chips, gpu_id) - 1 as no
    from gpu
    where list_contains($chips, gpu_id);
create or replace temp table made as
select
    n::integer as offer_no, lpad(lower(to_hex(hash(n))), 16, '0') as offer_id,
    $providers[1 + n % 20] as provider, 'sku-' || n as sku,
    'type-' || n % 997 || '.' || [1, 2, 4, 8][1 + n % 4] || 'x' as instance_type,
    'region-' || n % 53 as region,
    if(n % 20 = 0, ['secure', 'community'][1 + n % 40 // 20], null) as tier,
    chip.gpu_id, chip.name as gpu_label, chip.memory_gib, chip.worth,
    [1, 2, 4, 8][1 + n % 4] as gpu_count,
    case when n % 3 = 0 then 'spot' when n % 30 = 1 then 'reserved' else 'on_demand' end as purchase_option,
    if(n % 30 = 1, 12, null) as term_months
from range(1, $offers + 1) as made(n)
inner join chip on chip.no = hash(n * 7 + 1) % 60
order by n;
"""

OFFERS = """
insert into offer (
    offer_no, offer_id, source, provider, sku, instance_type, region, tier, gpu_label, gpu_count,
    purchase_option, term_months, gpu_id, gpu_memory_gib, vcpus, memory_gib, local_storage_gb, network,
    billing_increment_seconds, first_run_no
)
select
    offer_no, offer_id, $source, provider, sku, instance_type, region, tier, gpu_label, gpu_count,
    purchase_option, term_months, gpu_id, memory_gib, 16 * gpu_count, 120 * gpu_count, 500 * gpu_count,
    if(gpu_count = 8, 'infiniband 3200 Gb/s', null), 60, 1
from made
"""

CHANGES = """
insert into price_change (observed_at, offer_no, amount, currency, unit, run_no, document_no)
select
    $start::timestamptz + to_hours(step.range::integer * $step_hours), made.offer_no,
    amount_of(made.offer_no, step.range, made.worth)::decimal(18, 6), 'USD', 'gpu_hour', 1, 1
from range($from_step, $to_step) as step
cross join made
where step.range = 0
    or hash(made.offer_no * 10007 + step.range) % 10000 < if(purchase_option = 'spot', 2000, 150)
order by 1, 2
"""

CURRENT = """
insert into offer_current (
    offer_no, source, offer_id, changed_at, amount, currency, unit, run_no, document_no, availability,
    stock_changed_at
)
select
    made.offer_no, $source, made.offer_id, latest.changed_at, latest.amount, 'USD', 'gpu_hour', 1, 1,
    if(made.offer_no % 11 = 0, 'sold_out', 'available'), $start::timestamptz
from made
inner join (
    select offer_no, max(observed_at) as changed_at, arg_max(amount, observed_at) as amount
    from price_change group by offer_no
) as latest on made.offer_no = latest.offer_no;
"""

STOCK = """
insert into stock_change (observed_at, offer_no, availability, run_no)
select $start::timestamptz, offer_no, if(offer_no % 11 = 0, 'sold_out', 'available'), 1 from made
"""

RUN = """
insert into scrape_run (
    run_no, run_id, source, started_at, observed_at, outcome, is_complete, offer_count, change_count,
    skipped_count, parser_version
) values ($no, $id, $source, $at, $at, 'accepted', true, $offers, 0, 0, 1)
"""

DOCUMENT = """
insert into document (
    document_no, run_no, url, method, context, sha256, body_bytes, status, content_type, fetched_at
) values (1, 1, 'https://prices.example/list', 'GET', '{}', repeat('ab', 32), 2, 200, 'application/json', $at)
"""


NEW_PRICE = """
insert into price_change (observed_at, offer_no, amount, currency, unit, run_no, document_no)
select $at::timestamptz, offer_no, $usd::decimal(18, 6), 'USD', 'gpu_hour', $run_no, 1
from offer where gpu_id = 'h100-sxm-80gb'
"""

NEW_STATE = """
update offer_current set amount = $usd::decimal(18, 6), changed_at = $at::timestamptz, run_no = $run_no
where offer_no in (select offer_no from offer where gpu_id = 'h100-sxm-80gb')
"""


def run_named(number: int, at: datetime, offers: int) -> dict[str, object]:
    """Parameters of RUN."""
    return {"no": number, "id": f"run-{number}", "source": SOURCE, "at": at, "offers": offers}


@contextmanager
def bounded_memory(limit: str = "2GB") -> Generator[None]:
    """DuckDB takes as much as there is (18 GB for an hourly year of 60,000 offers) and spills what it may not keep."""
    database.NEW_FILE["memory_limit"] = limit
    try:
        yield
    finally:
        del database.NEW_FILE["memory_limit"]


def fill(home: Home, *, now: datetime, offers: int = 60_000, days: int = 365, step_hours: int = 24) -> None:
    """A ledger whose last complete run was 20 minutes before `now`, published once."""
    start = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    steps = days * 24 // step_hours
    with bounded_memory(), turn(home):
        with writing(home) as connection:
            row = SourceRow(
                source=SOURCE,
                provider="runpod",
                kind="live",
                fresh_for_seconds=10_800,
                every_seconds=3600,
                homepage="https://prices.example/",
                licence="made up",
            )
            migrate(connection, sources=(row,), aliases=seed_rows())
            setup = SETUP.replace("$steps", str(steps)).replace("$offers", str(offers))
            connection.execute(setup.replace("$providers", str(PROVIDERS)).replace("$chips", str(CHIPS)))
            connection.execute(OFFERS, {"source": SOURCE})
            chunk = max(1, steps // 12)
            for first in range(0, steps, chunk):
                connection.execute(
                    CHANGES,
                    {
                        "start": start,
                        "step_hours": step_hours,
                        "from_step": first,
                        "to_step": min(first + chunk, steps),
                    },
                )
            connection.execute(CURRENT, {"source": SOURCE, "start": start})
            connection.execute(STOCK, {"start": start})
            connection.execute(DOCUMENT, {"at": start})
            for number, at in ((1, start), (2, now - timedelta(minutes=20))):
                connection.execute(RUN, run_named(number, at, offers))
        publish(home, now=now)


def next_price(home: Home, *, now: datetime, usd: str) -> int:
    """A refresh that gives all H100s of one kind the same new price; returns the snapshot's number."""
    with turn(home):
        with writing(home) as connection:
            run_no = connection.execute("select max(run_no) + 1 from scrape_run").fetchone()[0]
            found = {"at": now + timedelta(seconds=run_no), "usd": usd, "run_no": run_no}
            with transaction(connection):
                connection.execute(RUN, run_named(run_no, found["at"], 0))
                connection.execute(NEW_PRICE, found)
                connection.execute(NEW_STATE, found)
        return publish(home, now=found["at"])

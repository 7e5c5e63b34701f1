"""A made-up year of a large ledger: 60,000 offers refreshed every hour, changes in published proportions.

A third of the offers is spot and changes at 20 % of the refreshes, the others at 1.5 %. Every price is a
function of offer and hour alone, so the log of a year can be written at once (`fill`), and a test proves the
rows equal to what the recorder appends when it is given the same refreshes one by one.
"""

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from gpuledger.core.store import sql
from gpuledger.core.store.database import transaction
from gpuledger.core.store.migrate import SourceRow
from gpuledger.core.store.record import append_live

SOURCE = "synthetic"
OFFERS = 60_000
HOURS = 8760
START = datetime(2025, 1, 1, tzinfo=UTC)

# Prices never repeat within a year: an odd multiple of the hour modulo a prime above 8,760.
MODEL = """
create or replace macro is_spot(n) as n % 3 = 0;
create or replace macro is_changed(n, h) as
    h = 0 or hash(n * 10007 + h) % 10000 < if(is_spot(n), 2000, 150);
create or replace macro amount_of(n, h) as
    cast((5000 + hash(n) % 900000 + (h * 7919) % 10007) / 10000 as decimal(18, 6));
create or replace macro observed_at_of(h) as timestamptz '2025-01-01 00:00:00+00' + to_hours(h::integer);
"""

# 20 providers x 50 GPUs x 60 places: 1,200 offers of each GPU
SEEN = """
select
    n::integer - 1 as position,
    gpu.gpu_id,
    1 as document_no,
    lpad(to_hex(hash(n)), 16, '0') as offer_id,
    'provider_' || n % 20 as provider,
    null::varchar as via,
    'sku-' || n % 4999 as sku,
    'type-' || n % 997 as instance_type,
    'region-' || n // 1000 as region,
    null::varchar as zone,
    null::varchar as tier,
    gpu.name as gpu_label,
    [1, 2, 4, 8][1 + n % 4]::decimal(18, 4) as gpu_count,
    if(is_spot(n), 'spot', 'on_demand') as purchase_option,
    null::decimal(18, 6) as term_months,
    null::varchar as payment,
    null::varchar as operating_system,
    80::decimal(18, 4) as gpu_memory_gib,
    26::decimal(18, 4) as vcpus,
    200::decimal(18, 4) as memory_gib,
    null::decimal(18, 4) as local_storage_gb,
    null::varchar as network,
    null::integer as min_gpus,
    null::integer as max_gpus,
    null::integer as billing_increment_seconds,
    null::integer as minimum_billing_seconds,
    amount,
    null::decimal(18, 6) as upfront_amount,
    'USD' as currency,
    'hour' as unit,
    null::timestamptz as effective_at,
    null::timestamptz as observed_at,
    'available' as availability
from (
    select changed.n, amount_of(changed.n, max(changed.h)) as amount
    from (
        select n.range as n, h.range as h
        from range(1, $offers + 1) as n
        cross join range(greatest(0, $hour - 2000), $hour + 1) as h
        where is_changed(n.range, h.range) or h.range = 0
    ) as changed
    group by changed.n
)
inner join (
    select gpu_id, name, row_number() over (order by gpu_id) - 1 as gpu_no from gpu limit 50
) as gpu on n % 50 = gpu.gpu_no
order by n
"""


def seen(connection: duckdb.DuckDBPyConnection, hour: int, offers: int = OFFERS) -> pa.Table:
    """What the source shows at that hour, as `gpuledger.core.store.staging.seen_table` would make it."""
    connection.execute(MODEL)
    return sql.arrow(connection, SEEN, {"offers": offers, "hour": hour})


def at_hour(hour: int) -> datetime:
    """When that refresh was observed."""
    return START + timedelta(hours=hour)


def source_row() -> SourceRow:
    """The made-up source, as the ledger keeps it."""
    return SourceRow(
        source=SOURCE,
        provider="several",
        kind="live",
        fresh_for_seconds=10_800,
        every_seconds=3600,
        homepage="",
        licence="",
    )


def record_hour(connection: duckdb.DuckDBPyConnection, hour: int, table: pa.Table) -> int:
    """One refresh through the recorder, in a transaction; returns the number of changes."""
    with transaction(connection):
        done = append_live(
            connection,
            table,
            {"run_no": hour + 1, "source": SOURCE, "observed_at": at_hour(hour), "is_complete": True},
        )
    add_run(connection, hour, hour + 1)
    return done.changes


def add_run(connection: duckdb.DuckDBPyConnection, first: int, after: int) -> None:
    """The rows of the runs of some hours; all share one document."""
    connection.execute(
        "insert into scrape_run select range + 1, 'run-' || range, $source, observed_at_of(range),"
        " observed_at_of(range), 'accepted', true, null, null, null, 60000, 0, 0, 1, null"
        " from range($first, $after)",
        {"source": SOURCE, "first": first, "after": after},
    )
    connection.execute(
        "insert into document select 1, 1, 'https://prices.example/', 'GET', '{}', '00', 1, 200, '', now()"
        " where not exists (select 1 from document)"
    )


def fill(connection: duckdb.DuckDBPyConnection, first: int, after: int, offers: int = OFFERS) -> None:
    """The log rows of the hours from `first` to before `after`, and the state they end in."""
    connection.execute(MODEL)
    for start in range(first, after, 730):
        connection.execute(
            "insert into price_change by name"
            " select observed_at_of(h.range) as observed_at, n.range::integer as offer_no,"
            " amount_of(n.range, h.range) as amount, 'USD' as currency, 'hour' as unit,"
            " (h.range + 1)::integer as run_no, 1 as document_no"
            " from range($start, $stop) as h cross join range(1, $offers + 1) as n"
            " where is_changed(n.range, h.range) order by h.range, n.range",
            {"start": start, "stop": min(start + 730, after), "offers": offers},
        )
    connection.execute(
        "update offer_current set changed_at = last.observed_at, amount = last.amount, run_no = last.run_no"
        " from (select offer_no, max(observed_at) as observed_at, arg_max(amount, observed_at) as amount,"
        " arg_max(run_no, observed_at) as run_no from price_change group by offer_no) as last"
        " where last.offer_no = offer_current.offer_no"
    )
    add_run(connection, first, after)

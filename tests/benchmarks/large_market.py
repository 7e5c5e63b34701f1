"""A made-up market of 60,000 offers: twenty providers, fifty regions, every accelerator, four sizes."""

from datetime import datetime, timedelta

from gpuledger.core.alias import seed_rows
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import SourceRow, migrate
from gpuledger.core.store.publish import publish

OFFERS = 60_000

OFFER = """
insert into offer (
    offer_no, offer_id, source, provider, sku, instance_type, region, gpu_label, gpu_count, purchase_option,
    term_months, gpu_id, gpu_memory_gib, billing_increment_seconds, first_run_no
)
select
    n, lpad(to_hex(n), 16, '0'), 'made', 'provider_' || n % 20, 'sku-' || n, 'type-' || n % 997,
    'region-' || n % 53,
    chip.name, [1, 2, 4, 8][1 + n % 4],
    case when n % 3 = 0 then 'spot' when n % 30 = 1 then 'reserved' else 'on_demand' end,
    if(n % 3 <> 0 and n % 30 = 1, 12, null), chip.gpu_id, chip.memory_gib, 60, 1
from range(1, $offers + 1) as made(n)
inner join chip on chip.no = hash(n * 7 + 1) % (select count(*) from chip)
"""

CHIP = """
create or replace temp table chip as
select *, row_number() over (order by gpu_id) - 1 as no from gpu where memory_gib is not null
"""

CURRENT = """
insert into price_change (observed_at, offer_no, amount, currency, unit, run_no, document_no)
select
    $at::timestamptz, offer_no,
    (
        0.2 + gpu_memory_gib / 40 * (0.7 + 0.006 * (hash(offer_no) % 100))
        * if(purchase_option = 'spot', 0.5, 1)
    )::decimal(18, 6),
    'USD', 'gpu_hour', 1, 1
from offer
"""

STATE = """
insert into offer_current (
    offer_no, source, offer_id, changed_at, amount, currency, unit, run_no, document_no, availability,
    stock_changed_at
)
select
    offer_no, 'made', offer_id, $at::timestamptz, amount, 'USD', 'gpu_hour', 1, 1, 'available',
    $at::timestamptz
from offer inner join price_change using (offer_no)
"""


def fill(home: Home, *, now: datetime) -> None:
    """The market, seen 20 minutes before `now` and published."""
    at = now - timedelta(minutes=20)
    source = SourceRow(
        source="made",
        provider="provider_0",
        kind="live",
        fresh_for_seconds=10_800,
        every_seconds=3600,
        homepage="https://prices.example/",
        licence="made up",
    )
    with turn(home):
        with writing(home) as connection:
            migrate(connection, sources=(source,), aliases=seed_rows())
            connection.execute(
                "insert into scrape_run (run_no, run_id, source, started_at, observed_at, outcome, "
                "is_complete, offer_count, change_count, skipped_count, parser_version) "
                "values (1, 'run-1', 'made', $at, $at, 'accepted', true, $offers, $offers, 0, 1)",
                {"at": at, "offers": OFFERS},
            )
            connection.execute(
                "insert into document (document_no, run_no, url, method, context, sha256, body_bytes, "
                "status, content_type, fetched_at) values (1, 1, 'https://prices.example/list', 'GET', '{}', "
                "repeat('ab', 32), 2, 200, 'application/json', $at)",
                {"at": at},
            )
            connection.execute(CHIP)
            connection.execute(OFFER, {"offers": OFFERS})
            connection.execute(CURRENT, {"at": at})
            connection.execute(STATE, {"at": at})
            connection.execute(
                "insert into stock_change (observed_at, offer_no, availability, run_no) "
                "select $at::timestamptz, offer_no, 'available', 1 from offer",
                {"at": at},
            )
        publish(home, now=now)

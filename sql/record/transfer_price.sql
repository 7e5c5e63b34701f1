-- grain: one appended row per transfer price that differs from the last known
insert into transfer_price by name
select
    $run_no::integer as run_no, $observed_at::timestamptz as observed_at, $source::varchar as source,
    provider, sku, region, direction, destination, from_gb, amount_per_gb, currency
from fact
where not exists (
    select 1 from (
        select * from transfer_price
        qualify row_number() over (
            partition by source, provider, sku, region, direction, destination, from_gb order by observed_at desc
        ) = 1
    ) as known
    where
        known.source = $source::varchar and known.provider = fact.provider and known.sku = fact.sku
        and known.region = fact.region and known.direction = fact.direction
        and known.destination = fact.destination and known.from_gb = fact.from_gb
        and known.amount_per_gb = fact.amount_per_gb and known.currency = fact.currency
);

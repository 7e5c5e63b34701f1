-- grain: one appended row per storage price that differs from the last known
insert into storage_price by name
select
    $run_no::integer as run_no, $observed_at::timestamptz as observed_at, $source::varchar as source,
    provider, sku, region, kind, from_gb, amount_per_gb_month, currency
from fact
where not exists (
    select 1 from (
        select * from storage_price
        qualify row_number() over (
            partition by source, provider, sku, region, kind, from_gb order by observed_at desc
        ) = 1
    ) as known
    where
        known.source = $source::varchar and known.provider = fact.provider and known.sku = fact.sku
        and known.region = fact.region and known.kind = fact.kind and known.from_gb = fact.from_gb
        and known.amount_per_gb_month = fact.amount_per_gb_month and known.currency = fact.currency
);

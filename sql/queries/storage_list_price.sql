-- grain: one row per provider, region, kind and volume tier: the lowest storage price in force at as_of
-- parameters: as_of timestamptz (null: now)
with latest as (
    select *
    from storage_price
    where $as_of::timestamptz is null or observed_at <= $as_of::timestamptz
    qualify row_number() over (
        partition by source, provider, sku, region, kind, from_gb order by observed_at desc
    ) = 1
)

select
    provider, region, kind, from_gb,
    min(amount_per_gb_month * usd_per_unit)::decimal(18, 9) as usd_per_gb_month,
    max(observed_at) as observed_at
from latest
inner join usd_rate($as_of::timestamptz) as usd using (currency)
group by provider, region, kind, from_gb
order by provider, region, kind, from_gb;

-- grain: one row per provider, region, direction and volume tier: the transfer price in force at as_of
-- parameters: as_of timestamptz (null: now)
with latest as (
    select *
    from transfer_price
    where $as_of::timestamptz is null or observed_at <= $as_of::timestamptz
    qualify row_number() over (
        partition by source, provider, sku, region, direction, destination, from_gb order by observed_at desc
    ) = 1
)

select
    provider, region, direction, from_gb,
    max(amount_per_gb * usd_per_unit)::decimal(18, 9) as usd_per_gb,
    max(observed_at) as observed_at
from latest
inner join usd_rate($as_of::timestamptz) as usd using (currency)
where destination = 'internet'
group by provider, region, direction, from_gb
order by provider, region, direction, from_gb;

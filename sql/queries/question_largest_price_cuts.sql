-- grain: one row per price cut, largest share first
-- parameters: max_rows integer
with step as (
    select
        source, offer_id, provider, instance_type, region, purchase_option, valid_from, usd_per_hour,
        lag(usd_per_hour) over (partition by source, offer_id order by valid_from) as usd_per_hour_before
    from price_history
)

select
    provider, instance_type, region, purchase_option, valid_from, usd_per_hour_before, usd_per_hour,
    cast(least(usd_per_hour / usd_per_hour_before - 1, 99999) as decimal(9, 4)) as change
from step
where usd_per_hour < usd_per_hour_before
order by change, provider, instance_type, region, valid_from
limit $max_rows::integer;

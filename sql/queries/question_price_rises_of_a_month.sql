-- grain: one row per offer that became dearer in a month
-- parameters: month date
with step as (
    select
        source, offer_id, provider, instance_type, region, purchase_option, valid_from, usd_per_hour,
        lag(usd_per_hour) over (partition by source, offer_id order by valid_from) as usd_per_hour_before
    from price_history
)

select provider, instance_type, region, purchase_option, valid_from, usd_per_hour_before, usd_per_hour
from step
where
    usd_per_hour > usd_per_hour_before
    and valid_from >= $month::date
    and valid_from < $month::date + interval 1 month
order by valid_from, provider, instance_type, region;

-- grain: one row per list price that moved in the days before this snapshot, newest first
-- One row per provider, machine, option and price move: regions that moved alike share it.
-- parameters: since timestamptz, most bigint
with moved as (
    select *, before_amount / nullif(gpu_count, 0) as before_per_gpu
    from price_event($since::timestamptz, 'infinity'::timestamptz)
    where
        amount is not null and before_amount is not null
        and amount <> before_amount and purchase_option <> 'spot' and tier is distinct from 'community'
        and gpu_id is not null
)

select
    observed_at::date as price_date, provider, instance_type, min(gpu_id) as gpu_id, gpu_count, purchase_option,
    term_months, currency, unit, before_amount, amount,
    round(100 * (amount / before_amount - 1), 1)::double as change_percent,
    count(distinct region) as regions, min(region) as region
from moved
group by
    price_date, provider, instance_type, gpu_count, purchase_option, term_months, currency, unit, before_amount, amount
order by -- every column of the group, so that equal prices of two moves keep their places
    price_date desc, provider, instance_type, purchase_option, term_months nulls first, amount, before_amount,
    gpu_count, currency, unit
limit $most;

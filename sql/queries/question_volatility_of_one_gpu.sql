-- grain: one row per purchase option of one GPU: how much its daily median moves
-- parameters: gpu_id varchar
with step as (
    select
        purchase_option, price_date, median_usd_per_gpu_hour::double as median,
        lag(median_usd_per_gpu_hour::double) over (partition by purchase_option order by price_date) as median_before
    from gpu_price_index
    where gpu_id = $gpu_id::varchar
)

select
    purchase_option,
    count(*) as days,
    count(*) filter (median <> median_before) as days_with_change,
    round(max(abs(median / median_before - 1)), 4) as largest_daily_change
from step
group by purchase_option
order by purchase_option;

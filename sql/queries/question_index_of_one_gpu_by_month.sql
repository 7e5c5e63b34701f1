-- grain: one row per month: the on-demand index of one GPU
-- parameters: gpu_id varchar
select
    date_trunc('month', price_date) as month,
    min(min_usd_per_gpu_hour) as cheapest,
    cast(avg(median_usd_per_gpu_hour) as decimal(18, 4)) as average_median,
    max(providers) as providers
from gpu_price_index
where gpu_id = $gpu_id::varchar and purchase_option = 'on_demand'
group by month
order by month;

-- grain: one row per month: the on-demand index of one GPU over all providers
-- parameters: gpu_id varchar
select
    date_trunc('month', price_date) as month,
    arg_max(chain, price_date) filter (state = 'published') as chain,
    round(arg_max(price_index, price_date) filter (state = 'published'), 2) as price_index,
    min(floor_usd_per_gpu_hour) as cheapest,
    max(providers) as providers,
    count(*) filter (state = 'published') as published_days
from gpu_price_index
where gpu_id = $gpu_id::varchar and purchase_option = 'on_demand' and segment is null
group by month
order by month;

-- grain: one row per past UTC day: the lowest index price of some GPUs under one purchase option
-- parameters: gpu_ids varchar[], purchase_option varchar
select
    price_date,
    min(min_usd_per_gpu_hour) as usd_per_gpu_hour,
    arg_min(cheapest_provider, min_usd_per_gpu_hour) as provider
from gpu_price_index
where list_contains($gpu_ids::varchar[], gpu_id) and purchase_option = $purchase_option::varchar
group by price_date
order by price_date;

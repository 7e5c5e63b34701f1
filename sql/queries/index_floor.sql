-- grain: one row per past UTC day: the cheapest offer of some GPUs that was fresh or recorded, under one purchase option
-- parameters: gpu_ids varchar[], purchase_option varchar
select
    price_date,
    min(floor_usd_per_gpu_hour) as usd_per_gpu_hour,
    arg_min(floor_provider, floor_usd_per_gpu_hour) as provider
from gpu_price_index
where
    list_contains($gpu_ids::varchar[], gpu_id)
    and purchase_option = $purchase_option::varchar
    and segment is null
    and floor_usd_per_gpu_hour is not null
group by price_date
order by price_date;

-- grain: one row per GPU: US dollars for a GiB of its memory and hour, on demand, cheapest first
select
    gpu_id, min(usd_per_gpu_hour) as usd_per_gpu_hour, max(gpu_memory_gib) as gpu_memory_gib,
    cast(min(usd_per_gpu_hour / gpu_memory_gib) as decimal(18, 6)) as usd_per_gib_hour
from offer_latest
where purchase_option = 'on_demand' and gpu_id is not null and usd_per_gpu_hour is not null
group by gpu_id
order by usd_per_gib_hour, gpu_id;

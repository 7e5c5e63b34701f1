-- grain: one row per GPU: its cheapest on-demand offer now
select gpu_id, usd_per_gpu_hour, provider, instance_type, region
from offer_latest
where purchase_option = 'on_demand' and gpu_id is not null and usd_per_gpu_hour is not null
qualify row_number() over (partition by gpu_id order by usd_per_gpu_hour, usd_per_hour, last_seen_at desc, provider, region, tier, offer_id) = 1
order by gpu_id;

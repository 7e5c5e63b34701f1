-- grain: one row per provider: 730 hours of the cheapest eight-GPU instance of one GPU
-- parameters: gpu_id varchar
select
    provider,
    arg_min(instance_type, (usd_per_hour, instance_type)) as instance_type,
    cast(min(usd_per_hour) * 730 as decimal(18, 2)) as usd_per_month
from offer_latest
where gpu_id = $gpu_id::varchar and gpu_count = 8 and purchase_option = 'on_demand'
group by provider
order by usd_per_month, provider;

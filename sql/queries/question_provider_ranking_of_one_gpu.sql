-- grain: one row per provider that sells one GPU on demand, cheapest first
-- parameters: gpu_id varchar
select provider, min(usd_per_gpu_hour) as usd_per_gpu_hour, count(*) as offers
from offer_latest
where gpu_id = $gpu_id::varchar and purchase_option = 'on_demand'
group by provider
order by usd_per_gpu_hour, provider;

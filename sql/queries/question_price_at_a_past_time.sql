-- grain: one row per offer of one GPU that was on sale at a past time, cheapest first
-- parameters: gpu_id varchar, as_of timestamptz
select provider, instance_type, region, purchase_option, usd_per_gpu_hour, valid_from
from offers_as_of($as_of::timestamptz)
where gpu_id = $gpu_id::varchar
order by usd_per_gpu_hour, provider, region, instance_type;

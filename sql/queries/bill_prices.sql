-- grain: one row per provider, instance type and time from which an on-demand price held
select provider, instance_type, gpu_id, valid_from, usd_per_gpu_hour
from price_history
where purchase_option = 'on_demand' and gpu_id is not null and usd_per_gpu_hour is not null

-- grain: one row per provider and label that means this accelerator, at any time
-- parameters: provider varchar or null, gpu_id varchar
select provider, gpu_label, count(*) as offers
from offer
where gpu_id = $gpu_id::varchar and ($provider::varchar is null or provider = $provider::varchar)
group by provider, gpu_label
order by provider, gpu_label;

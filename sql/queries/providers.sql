-- grain: one row per provider with offers now
select
    provider,
    count(*) as offers,
    count(distinct gpu_id) as gpus,
    count(distinct region) as regions,
    list(distinct purchase_option order by purchase_option) as purchase_options,
    list(distinct source order by source) as sources,
    max(last_seen_at) as last_seen_at
from offer_latest
group by provider
order by provider;

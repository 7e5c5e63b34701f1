-- grain: one row per provider, accelerator, kind of machine and reason why a quote leaves its offers out (null: none that
-- a price or a filter gives); reads the temporary view of quote_offer.sql
-- parameters: none
select
    provider,
    coalesce(gpu_id, gpu_label) as gpu_id,
    gpu_count,
    min_gpus,
    max_gpus,
    may_join,
    coalesce(excluded_because, if(state_class = 4, 'price lapsed, seen too long ago', null)) as reason,
    count(*)::integer as offers
from quote_offer
group by all
order by all;

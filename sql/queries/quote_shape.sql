-- grain: one row per kind of offer that any quote of it would treat alike but for its price
-- parameters: none; reads the temporary view of quote_offer.sql
select
    shape_key, excluded_because,
    case when getvariable('quote_by_provider') = 'true' then provider else '' end as provider,
    purchase_option, gpu_id, gpu_count, min_gpus, max_gpus, may_join,
    count(*) filter (state_class < 4) as offers,
    count(*) filter (state_class = 4) as lapsed,
    -- one bit for each class of state that there is
    bit_or(1::integer << state_class::integer) as states,
    -- where the cheapest of them per GPU-hour stands, states first
    min(state_class::double * 1e9 + usd_per_gpu_hour::double) as least
from quote_offer
group by all
order by all;

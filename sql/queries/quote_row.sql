-- grain: one row per offer that may be quoted, with what the lower bound of its total is computed of
-- parameters: none; reads the temporary view of quote_offer.sql
select
    row_no, shape_key, state_class::integer as state_class, gpu_count::double as gpu_count,
    usd_per_hour::double as usd_per_hour, coalesce(term_months, 0)::double * 730 as term_hours
from quote_offer
where excluded_because is null;

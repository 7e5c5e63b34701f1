-- grain: one appended row per offer whose price differs from its state, or that is withdrawn
-- parameters: run_no integer
insert into price_change by name
select
    price_observed_at as observed_at, offer_no, amount, upfront_amount, currency, unit, effective_at,
    $run_no::integer as run_no, document_no
from difference
where is_price_change
order by offer_no;

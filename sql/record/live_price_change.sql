-- grain: one appended row per offer whose price differs from its state, or that is withdrawn
insert into price_change by name
select offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, $run_no::integer as run_no, document_no
from numbered
where is_price_change
union all by name
select offer_no, $observed_at::timestamptz as observed_at, $run_no::integer as run_no
from absent
where is_second_time
order by offer_no;

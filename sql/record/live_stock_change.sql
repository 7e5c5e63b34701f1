-- grain: one appended row per offer whose stock differs from its state, or that is absent for the first time
insert into stock_change by name
select offer_no, observed_at, availability, $run_no::integer as run_no
from numbered
where is_stock_change
union all by name
select offer_no, $observed_at::timestamptz as observed_at, 'unlisted' as availability, $run_no::integer as run_no
from absent
where not is_second_time
order by offer_no;

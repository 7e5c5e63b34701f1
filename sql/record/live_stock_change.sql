-- grain: one appended row per offer whose stock differs from its state, or that is absent for the first time
-- parameters: run_no integer
insert into stock_change by name
select observed_at, offer_no, if(is_absent, 'unlisted', availability) as availability, $run_no::integer as run_no
from difference
where is_stock_change
order by offer_no;

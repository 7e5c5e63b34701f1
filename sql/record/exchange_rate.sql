-- grain: one appended row per currency and day that is new or corrected, and per day that a second one confirms
-- parameters: run_no integer
insert into exchange_rate by name
select $run_no::integer as run_no, currency, rate_date, usd_per_unit
from rate_claim
where not is_disputed
union all
select $run_no::integer, currency, open_date, open_usd_per_unit
from rate_claim
where is_confirmed;

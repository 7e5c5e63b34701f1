-- grain: one appended row per currency and day not known yet
insert into exchange_rate by name
select $run_no::integer as run_no, currency, rate_date, usd_per_unit
from fact
where not exists (
    select 1 from exchange_rate as known
    where known.currency = fact.currency and known.rate_date = fact.rate_date
);

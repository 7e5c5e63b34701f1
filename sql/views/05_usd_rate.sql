-- grain: one row per currency and day: a correction of a day, in a later run, takes its place
create or replace view exchange_rate_day as
select currency, rate_date, arg_max(usd_per_unit, run_no) as usd_per_unit
from exchange_rate
group by currency, rate_date;

comment on view exchange_rate_day is 'One row per currency and day: the rate that counts; a correction takes the place of what it corrects.';
comment on column exchange_rate_day.currency is 'ISO 4217 code.';
comment on column exchange_rate_day.rate_date is 'Day of the rate.';
comment on column exchange_rate_day.usd_per_unit is 'US dollars for one unit of the currency.';

-- grain: one row per currency: the reference rate in force at a time (null: the newest), and the dollar itself
create or replace macro usd_rate(as_of) as table
select currency, arg_max(usd_per_unit, rate_date) as usd_per_unit
from exchange_rate_day
where as_of is null or rate_date::timestamp at time zone 'UTC' <= as_of
group by currency
union all
select 'USD', 1;

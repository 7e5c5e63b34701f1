-- grain: one row per currency: the reference rate in force at a time (null: the newest), and the dollar itself
create or replace macro usd_rate(as_of) as table
select currency, arg_max(usd_per_unit, rate_date) as usd_per_unit
from exchange_rate
where as_of is null or rate_date::timestamp at time zone 'UTC' <= as_of
group by currency
union all
select 'USD', 1;

-- grain: one row per currency, its newest rate
select currency, arg_max(usd_per_unit, rate_date) as usd_per_unit
from exchange_rate
group by currency;

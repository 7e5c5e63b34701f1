-- grain: one row per currency and day
select currency, rate_date, usd_per_unit
from exchange_rate_day
order by currency, rate_date

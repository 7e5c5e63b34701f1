-- grain: one row per currency, its newest rate
select currency, usd_per_unit
from usd_rate(null);

-- grain: one row per month with price events
select strftime(date_trunc('month', observed_at), '%Y-%m') as month, count(*) as row_count
from price_change
group by date_trunc('month', observed_at)
order by month;

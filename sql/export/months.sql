-- grain: one row per month in which a price was seen to change, as 2026-03
select distinct strftime(observed_at, '%Y-%m') as month
from price_change
where amount is not null
order by month;

-- grain: one row per week: how many prices moved, and how many offers went
select
    date_trunc('week', observed_at) as week,
    count(*) filter (amount is not null) as prices,
    count(*) filter (amount is null) as withdrawals
from price_change
group by week
order by week;

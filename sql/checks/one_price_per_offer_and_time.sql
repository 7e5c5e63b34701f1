-- grain: one row per offer and time with more than one price; none is healthy
select offer_no, observed_at, count(*) as prices
from price_change
group by all
having count(*) > 1;

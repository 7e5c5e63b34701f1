-- grain: one row per offer and time with more than one price; none is healthy
-- Looks at the offers and times that a run after the variable checked_run_no wrote (unset: all).
with written as (
    select distinct offer_no, observed_at
    from price_change
    where run_no > coalesce(getvariable('checked_run_no'), 0)
)

select price_change.offer_no, price_change.observed_at, count(*) as prices
from price_change
inner join written
    on price_change.offer_no = written.offer_no and price_change.observed_at = written.observed_at
group by all
having count(*) > 1;

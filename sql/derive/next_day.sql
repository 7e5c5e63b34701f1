-- grain: one row, the first day from a date on that any price may reach into (null: none)
-- A price reaches half a year beyond its last sight (price_horizon); a day more, for times within a day.
-- parameters: from_date date
with bounds as (
    select
        $from_date::date as from_date,
        $from_date::date::timestamp at time zone 'UTC' - interval 181 day as since_at
)

select cast(greatest(min(sights.sight_date), any_value(bounds.from_date)) as date) as next_date
from (
    select min(observed_at)::date as sight_date
    from price_change
    where observed_at >= (select since_at from bounds)
    union all
    select min(observed_at)::date
    from scrape_run
    where outcome = 'accepted' and observed_at >= (select since_at from bounds)
    union all
    -- what a list has in force, or shows again later
    select min(observed_at)::date
    from dated_price
    where greatest(seen_until, same_until) >= (select since_at from bounds)
) as sights
cross join bounds;

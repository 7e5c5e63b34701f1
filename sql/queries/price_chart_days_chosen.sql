-- grain: one row per provider and day with a price at its end, what `cheapest` has first of it then, from the log: for
-- choices that price_chart_days.sql does not know
-- parameters: gpu_ids, providers, purchase_options, tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); first_day, last_day, end_day date (the day after last_day,
--             or that of publishing if earlier: a subquery here would take six times as long); step_days integer
with chosen as (
    select step_no * $step_days::integer as day_no, provider, place_no
    from offer_step_wanted(
        string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
        string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
        $max_count::integer,
        -- the last microsecond of each day
        ($first_day::date + 1)::timestamp at time zone 'UTC' - interval 1 microsecond,
        $end_day::date::timestamp at time zone 'UTC' - interval 1 microsecond,
        to_days($step_days::integer)
    )
    union all
    select price_date - $first_day::date, provider, place_no
    from offer_now_wanted(
        string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
        string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
        $max_count::integer
    )
)

select
    provider,
    (day_no // $step_days::integer)::integer as step_no,
    place_usd(min(place_no)) as usd_min,
    place_state(min(place_no)) as price_state
from chosen
where day_no between 0 and $last_day::date - $first_day::date and day_no % $step_days::integer = 0
group by provider, day_no
order by provider, step_no;

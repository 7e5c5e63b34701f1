-- grain: one row per provider and day with a price at its end, its cheapest, from the log: for choices that
-- price_chart_days.sql does not know
-- parameters: gpu_ids, providers, purchase_options, tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); first_day, last_day, end_day date (the day after last_day,
--             or that of publishing if earlier: a subquery here would take six times as long); step_days integer
with
-- the day of publishing as it is so far, without what has lapsed
open_day as (
    select snapshot.published_at::date as price_date, offer.provider, offer.usd_per_gpu_hour
    from offer_latest as offer
    cross join snapshot
    where
        offer.offer_id in (
            select offer_id
            from offer_wanted(
                string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
                string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
                $max_count::integer
            )
        )
        and offer.gpu_id is not null
        and offer.usd_per_gpu_hour is not null
        and offer.lapses_at >= snapshot.published_at
),

chosen as (
    select price_date, provider, usd_per_gpu_hour
    from offer_day_wanted(
        string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
        string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
        $max_count::integer,
        $first_day::date, $end_day::date
    )
    union all
    select price_date, provider, usd_per_gpu_hour from open_day
),

day as (
    select
        provider,
        price_date,
        min(usd_per_gpu_hour) as usd_min
    from chosen
    group by price_date, provider
)

select
    provider,
    ((price_date - $first_day::date) // $step_days::integer)::integer as step_no,
    usd_min::double as usd_min
from day
where
    price_date between $first_day::date and $last_day::date
    and (price_date - $first_day::date) % $step_days::integer = 0
order by provider, step_no;

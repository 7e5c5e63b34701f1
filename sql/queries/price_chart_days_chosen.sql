-- grain: one row per provider and day with a price at its end, what `cheapest` has first of it then, from the log: for
-- choices that price_chart_days.sql does not know
-- parameters: gpu_ids, providers, purchase_options, tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); first_day, last_day, end_day date (the day after last_day,
--             or that of publishing if earlier: a subquery here would take six times as long); step_days integer
with
-- the day of publishing as it is so far, without what has lapsed
open_day as (
    select
        snapshot.published_at::date as price_date, offer.provider, offer.usd_per_gpu_hour,
        state_rank(
            price_state(
                snapshot.published_at, false, offer.fresh_until, offer.lapses_at, offer.is_unlisted, offer.availability
            )
        ) as rank_no
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
    -- of each provider what goes before the rest, as in `cheapest`
    qualify rank_no = min(rank_no) over (partition by offer.provider)
),

chosen as (
    select price_date, provider, usd_per_gpu_hour, if(is_confirmed, 0, 1) as rank_no
    from offer_day_wanted(
        string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
        string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
        $max_count::integer,
        $first_day::date, $end_day::date
    )
    union all
    select price_date, provider, usd_per_gpu_hour, rank_no from open_day
)

select
    provider,
    ((price_date - $first_day::date) // $step_days::integer)::integer as step_no,
    -- what is confirmed goes before what is older
    coalesce(min(usd_per_gpu_hour) filter (where rank_no = 0), min(usd_per_gpu_hour))::double as usd_min,
    min(rank_no) = 0 as is_confirmed
from chosen
where
    price_date between $first_day::date and $last_day::date
    and (price_date - $first_day::date) % $step_days::integer = 0
group by provider, price_date
order by provider, step_no;

-- grain: one row per provider and day with a price at its end, what `cheapest` has first of it then, from the days that
-- publishing keeps: one accelerator bought one way, all providers or one
-- parameters: gpu_ids and purchase_options (one each), providers (one or null), tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); first_day, last_day date; step_days integer
with day as (
    select provider, price_date, min_usd_per_gpu_hour::double as usd_min, price_state
    from gpu_price_day
    where
        gpu_id = $gpu_ids::varchar
        and purchase_option = $purchase_options::varchar
        and provider is not null
        and ($providers::varchar is null or provider = $providers::varchar)
    union all
    select provider, price_date, place_usd(min(place_no)), place_state(min(place_no))
    from offer_now_wanted(
        string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
        string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
        $max_count::integer
    )
    group by provider, price_date
)

select
    provider,
    ((price_date - $first_day::date) // $step_days::integer)::integer as step_no,
    usd_min,
    price_state
from day
where
    price_date between $first_day::date and $last_day::date
    and (price_date - $first_day::date) % $step_days::integer = 0
order by provider, step_no;

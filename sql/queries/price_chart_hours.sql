-- grain: one row per provider and step of some hours at which it has a price, what `cheapest` has first of it then
-- parameters: gpu_ids, providers, purchase_options, tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); since, until timestamptz; step interval
select
    provider,
    step_no::integer as step_no,
    place_usd(min(place_no)) as usd_min,
    place_state(min(place_no)) as price_state
from offer_step_wanted(
    string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
    string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
    $max_count::integer, $since::timestamptz, $until::timestamptz, $step::interval
)
group by provider, step_no
order by provider, step_no;

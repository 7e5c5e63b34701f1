-- grain: one row per provider and day with a price at its end, and one per day over all (provider null), from the days
-- that publishing keeps: one accelerator bought one way, all providers or one
-- parameters: gpu_ids and purchase_options (one each), providers (one or null), tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); first_day, last_day date; step_days integer
with
-- the day of publishing as it is so far, without what has lapsed
open_day as (
    select
        snapshot.published_at::date as price_date, offer.provider, offer.usd_per_gpu_hour,
        offer.fresh_until >= snapshot.published_at and not offer.is_unlisted as is_confirmed
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

day as (
    -- of one provider the whole is the same as its part
    select
        if(side.is_whole, null, kept.provider) as provider,
        kept.price_date,
        min_usd_per_gpu_hour as usd_min,
        [p10_usd_per_gpu_hour, p25_usd_per_gpu_hour, median_usd_per_gpu_hour, p75_usd_per_gpu_hour] as usd_percentiles,
        kept.offers,
        -- the votes are the prices that were fresh or recorded that day
        coalesce(vote.cheapest_usd_per_gpu_hour <= kept.min_usd_per_gpu_hour, false) as is_confirmed
    from gpu_price_day as kept
    inner join (values (true), (false)) as side (is_whole)
        on if(side.is_whole, kept.provider is not distinct from $providers::varchar, kept.provider is not null)
    left join gpu_vote_day as vote
        on kept.price_date = vote.price_date and kept.gpu_id = vote.gpu_id
        and kept.purchase_option = vote.purchase_option and kept.provider = vote.provider and vote.segment is null
    where
        kept.gpu_id = $gpu_ids::varchar
        and kept.purchase_option = $purchase_options::varchar
        and ($providers::varchar is null or kept.provider = $providers::varchar)
    union all
    select
        provider, price_date, min(usd_per_gpu_hour), quantile_disc(usd_per_gpu_hour, [0.1, 0.25, 0.5, 0.75]), count(*),
        coalesce(
            min(usd_per_gpu_hour) filter (where is_confirmed) <= min(usd_per_gpu_hour), false
        )
    from open_day
    group by grouping sets ((price_date), (price_date, provider))
)

select
    provider,
    ((price_date - $first_day::date) // $step_days::integer)::integer as step_no,
    usd_min::double as usd_min,
    usd_percentiles::double[] as usd_percentiles,
    offers::integer as offers,
    is_confirmed
from day
where
    price_date between $first_day::date and $last_day::date
    and (price_date - $first_day::date) % $step_days::integer = 0
order by provider nulls first, step_no;

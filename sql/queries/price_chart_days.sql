-- grain: one row per provider and day with a price at its end, and one per day over all (provider null), from the days
-- that publishing keeps: one accelerator bought one way, all providers or one
-- parameters: gpu_ids and purchase_options (one each), providers (one or null), tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); first_day, last_day date; step_days integer
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
),

-- the votes are the prices that were fresh or recorded that day, and still there at its end
vote as (
    select gpu_vote_day.price_date, gpu_vote_day.provider, min(gpu_vote_day.cheapest_usd_per_gpu_hour) as usd_min
    from gpu_vote_day
    inner join gpu_price_day as kept
        on gpu_vote_day.price_date = kept.price_date and gpu_vote_day.gpu_id = kept.gpu_id
        and gpu_vote_day.purchase_option = kept.purchase_option and gpu_vote_day.provider = kept.provider
        and gpu_vote_day.cheapest_usd_per_gpu_hour >= kept.min_usd_per_gpu_hour
    where
        gpu_vote_day.gpu_id = $gpu_ids::varchar
        and gpu_vote_day.purchase_option = $purchase_options::varchar
        and gpu_vote_day.segment is null
        and ($providers::varchar is null or gpu_vote_day.provider = $providers::varchar)
    group by grouping sets ((gpu_vote_day.price_date), (gpu_vote_day.price_date, gpu_vote_day.provider))
),

day as (
    -- of one provider the whole is the same as its part
    select
        if(side.is_whole, null, kept.provider) as provider,
        kept.price_date,
        -- what was fresh or recorded that day goes before what was older, as `cheapest` has it
        coalesce(vote.usd_min, min_usd_per_gpu_hour) as usd_min,
        [p10_usd_per_gpu_hour, p25_usd_per_gpu_hour, median_usd_per_gpu_hour, p75_usd_per_gpu_hour] as usd_percentiles,
        kept.offers,
        vote.usd_min is not null as is_confirmed
    from gpu_price_day as kept
    inner join (values (true), (false)) as side (is_whole)
        on if(side.is_whole, kept.provider is not distinct from $providers::varchar, kept.provider is not null)
    left join vote
        on kept.price_date = vote.price_date
        and if(side.is_whole, null, kept.provider) is not distinct from vote.provider
    where
        kept.gpu_id = $gpu_ids::varchar
        and kept.purchase_option = $purchase_options::varchar
        and ($providers::varchar is null or kept.provider = $providers::varchar)
    union all
    select
        provider, price_date, arg_min(usd_per_gpu_hour, (rank_no, usd_per_gpu_hour)),
        quantile_disc(usd_per_gpu_hour, [0.1, 0.25, 0.5, 0.75]), count(*),
        min(rank_no) = 0
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

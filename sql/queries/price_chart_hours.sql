-- grain: one row per provider and step of some hours at which it has a price, and one per step over all (provider null)
-- parameters: gpu_ids, providers, purchase_options, tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); since, until timestamptz; step interval
with held as (
    select
        history.provider,
        history.valid_from,
        least(
            coalesce(history.valid_to, history.lapses_at), $until::timestamptz + interval 1 second
        ) as valid_to,
        history.fresh_until,
        history.usd_per_gpu_hour::double as price
    from price_history_wanted(
        string_split($gpu_ids::varchar, ','), string_split($providers::varchar, ','), $region::varchar,
        string_split($tiers::varchar, ','), string_split($purchase_options::varchar, ','), $min_count::integer,
        $max_count::integer,
        $since::timestamptz
    ) as history
    where
        history.valid_from <= $until::timestamptz
        and (history.valid_to is null or history.valid_to > $since::timestamptz)
        and history.usd_per_gpu_hour is not null
),

-- Steps are numbered from `since`, so that an interval finds its steps without comparing times. Seconds are
-- subtracted, not instants: the difference of two instants goes through a calendar, which is slow.
numbered as (
    select
        provider, price,
        greatest(0, ceil((epoch(valid_from) - epoch($since::timestamptz)) / epoch($step::interval)))::integer
            as first_step,
        ceil(
            (epoch(least(valid_to, $until::timestamptz + interval 1 second)) - epoch($since::timestamptz))
            / epoch($step::interval)
        )::integer - 1 as last_step,
        floor(
            (epoch(least(fresh_until, $until::timestamptz)) - epoch($since::timestamptz)) / epoch($step::interval)
        )::integer as fresh_step
    from held
),

sampled as materialized (
    select provider, price, unnest(range(first_step, last_step + 1)) as step_no, step_no <= fresh_step as is_confirmed
    from numbered
    where last_step >= first_step
)

select
    null::varchar as provider,
    step_no::integer as step_no,
    -- what was fresh or recorded then goes before what was older, as `cheapest` has it
    round(coalesce(min(price) filter (where is_confirmed), min(price)), 6) as usd_min,
    list_transform(quantile_disc(price, [0.1, 0.25, 0.5, 0.75]), lambda usd: round(usd, 6)) as usd_percentiles,
    count(*)::integer as offers,
    bool_or(is_confirmed) as is_confirmed
from sampled
group by step_no
union all
select
    provider, step_no::integer, round(coalesce(min(price) filter (where is_confirmed), min(price)), 6), null, count(*)::integer,
    bool_or(is_confirmed)
from sampled
group by provider, step_no
order by provider nulls first, step_no;

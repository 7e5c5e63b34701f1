-- grain: one row per provider with a price in that time, and one over all (provider null), each with its steps as lists
-- parameters: gpu_ids, providers, purchase_options, tiers as text parted by commas, region varchar, min_count and
--             max_count integer (null: no filter); since, until timestamptz; every varchar
-- Offers are chosen before their prices are put in order: the log of one accelerator is short.
with chosen as (
    select offer.offer_no, offer.provider, offer.gpu_count, offer.term_months
    from offer
    left join region on offer.provider = region.provider and offer.region = region.region
    where
        ($gpu_ids::varchar is null or list_contains(string_split($gpu_ids::varchar, ','), offer.gpu_id))
        and ($providers::varchar is null or list_contains(string_split($providers::varchar, ','), offer.provider))
        and (
            $purchase_options::varchar is null
            or list_contains(string_split($purchase_options::varchar, ','), offer.purchase_option)
        )
        and ($tiers::varchar is null or list_contains(string_split($tiers::varchar, ','), offer.tier))
        and (
            $region::varchar is null
            or lower(offer.region) = lower($region::varchar)
            or region.country = upper($region::varchar)
            or region.continent = upper($region::varchar)
        )
        and ($min_count::integer is null or offer.gpu_count >= $min_count::integer)
        and ($max_count::integer is null or offer.gpu_count <= $max_count::integer)
),

logged as (
    select price_change.*, chosen.provider, chosen.gpu_count, chosen.term_months
    from price_change
    inner join chosen on price_change.offer_no = chosen.offer_no
    where price_change.observed_at <= $until::timestamptz
),

bounded as (
    select
        *,
        lead(observed_at, 1, $until::timestamptz + interval 1 second)
            over (partition by offer_no order by observed_at) as valid_to
    from logged
),

usd as (
    select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate
    union all
    select 'USD', '1900-01-01 00:00:00+00'::timestamptz, 1
),

held as (
    select
        bounded.provider,
        bounded.observed_at,
        bounded.valid_to,
        (usd_per_hour_of(
            bounded.amount, bounded.upfront_amount, bounded.unit, bounded.gpu_count, bounded.term_months,
            usd.usd_per_unit
        ) / bounded.gpu_count)::double as price
    from bounded
    asof inner join usd on bounded.currency = usd.currency and bounded.observed_at >= usd.rate_at
    where bounded.amount is not null and bounded.valid_to > $since::timestamptz
),

-- steps are numbered from `since`, so that an interval finds its steps without comparing times
numbered as (
    select
        provider, price,
        greatest(0, ceil(epoch(observed_at - $since::timestamptz) / epoch($every::interval)))::integer as first_step,
        (ceil(epoch(valid_to - $since::timestamptz) / epoch($every::interval)) - 1)::integer as last_step
    from held
),

sampled as materialized (
    select provider, price, unnest(range(first_step, last_step + 1)) as step_no
    from numbered
    where last_step >= first_step
),

overall as (
    select
        null::varchar as provider,
        step_no,
        min(price) as low,
        quantile_disc(price, [0.1, 0.25, 0.5, 0.75]) as percentiles,
        count(*) as offers
    from sampled
    group by step_no
    union all
    select provider, step_no, min(price), null, count(*)
    from sampled
    group by provider, step_no
)

select
    provider,
    list(step_no::integer order by step_no) as step_no,
    list(round(low, 6) order by step_no) as usd_min,
    list(round(percentiles[1], 6) order by step_no) as usd_p10,
    list(round(percentiles[2], 6) order by step_no) as usd_p25,
    list(round(percentiles[3], 6) order by step_no) as usd_median,
    list(round(percentiles[4], 6) order by step_no) as usd_p75,
    list(offers::integer order by step_no) as offers
from overall
group by provider
order by provider nulls first;

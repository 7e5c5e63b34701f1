-- grain: one row per provider and step at which it has a price, and one per step over all (provider null)
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
        coalesce(
            lead(observed_at) over (partition by offer_no order by observed_at),
            $until::timestamptz + interval 1 second
        ) as valid_to
    from logged
),

rate as (
    select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate
),

-- dollars need no rate; joining them to one by time costs more than all the rest
in_usd as (
    select *, 1 as usd_per_unit
    from bounded
    where currency = 'USD'
    union all by name
    select bounded.*, rate.usd_per_unit
    from bounded
    asof inner join rate on bounded.currency = rate.currency and bounded.observed_at >= rate.rate_at
    where bounded.currency <> 'USD'
),

held as (
    select
        provider,
        observed_at,
        valid_to,
        (usd_per_hour_of(amount, upfront_amount, unit, gpu_count, term_months, usd_per_unit) / gpu_count)::double
            as price
    from in_usd
    where amount is not null and valid_to > $since::timestamptz
),

-- Steps are numbered from `since`, so that an interval finds its steps without comparing times. Seconds are
-- subtracted, not instants: the difference of two instants goes through a calendar, which is slow.
numbered as (
    select
        provider, price,
        greatest(0, ceil((epoch(observed_at) - epoch($since::timestamptz)) / epoch($every::interval)))::integer
            as first_step,
        (ceil((epoch(valid_to) - epoch($since::timestamptz)) / epoch($every::interval)) - 1)::integer as last_step
    from held
),

sampled as materialized (
    select provider, price, unnest(range(first_step, last_step + 1)) as step_no
    from numbered
    where last_step >= first_step
)

select
    null::varchar as provider,
    step_no::integer as step_no,
    round(min(price), 6) as usd_min,
    list_transform(quantile_disc(price, [0.1, 0.25, 0.5, 0.75]), lambda usd: round(usd, 6)) as usd_percentiles,
    count(*)::integer as offers
from sampled
group by step_no
union all
select provider, step_no::integer, round(min(price), 6), null, count(*)::integer
from sampled
group by provider, step_no
order by provider nulls first, step_no;

-- grain: one row per offer and time at which a source saw its price become this (null: gone)
-- Of a live source, `before_seen_at` is its last look before, which still saw the price before: both are facts of their time,
-- so a row never changes once it is written.
-- parameters: from_at and to_at timestamptz, between which it was seen; a year of hours is asked for month by month
create or replace temp macro price_event(from_at, to_at) as table
with run as (
    select source, observed_at as run_at from scrape_run where outcome = 'accepted'
),

inside as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, document_no
    from price_change
    where observed_at >= from_at and observed_at < to_at
),

-- what an offer cost when that time began
former_at as (
    select offer_no, max(observed_at) as observed_at
    from price_change
    where observed_at < from_at and offer_no in (select offer_no from inside)
    group by offer_no
),

known as (
    select * from inside
    union all
    select
        change.offer_no, change.observed_at, change.amount, change.upfront_amount, change.currency, change.unit,
        change.effective_at, change.document_no
    from price_change as change
    inner join former_at on change.offer_no = former_at.offer_no and change.observed_at = former_at.observed_at
),

moved as (
    select
        offer_no, observed_at, amount, upfront_amount, currency, unit, effective_at, document_no,
        lag(observed_at) over by_time as before_at,
        lag(amount) over by_time as before_amount,
        lag(upfront_amount) over by_time as before_upfront_amount,
        lag(currency) over by_time as before_currency,
        lag(unit) over by_time as before_unit
    from known
    window by_time as (partition by offer_no order by observed_at)
    qualify observed_at >= from_at
),

placed as (
    select moved.*, offer.* exclude (offer_no), source.kind, source.confidence, moved.observed_at - interval 1 microsecond as just_before
    from moved
    inner join offer on moved.offer_no = offer.offer_no
    inner join source on offer.source = source.source
),

looked as (
    select placed.*, if(placed.kind = 'live' and placed.before_amount is not null, run.run_at, null) as before_seen_at
    from placed
    asof left join run on placed.source = run.source and placed.just_before >= run.run_at
),

rated as (
    select looked.*, 1::decimal(18, 9) as usd_per_unit from looked where currency = 'USD' or amount is null
    union all
    select looked.*, rate.usd_per_unit
    from looked
    asof left join (
        select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate_day
    ) as rate
        on looked.currency = rate.currency and looked.observed_at >= rate.rate_at
    where looked.currency <> 'USD' and looked.amount is not null
)

select
    strftime(observed_at, '%Y-%m') as month,
    observed_at, source, confidence, provider, via, sku, instance_type, region, zone, tier, gpu_id, gpu_label,
    gpu_count, gpu_memory_gib, vcpus, memory_gib, min_gpus, max_gpus, purchase_option, term_months, payment,
    operating_system, offer_id, amount, upfront_amount, currency, unit, effective_at,
    usd_per_hour_of(amount, upfront_amount, unit, gpu_count, term_months, usd_per_unit) as usd_per_hour,
    cast(
        usd_per_hour_of(amount, upfront_amount, unit, gpu_count, term_months, usd_per_unit) / gpu_count
        as decimal(18, 6)
    ) as usd_per_gpu_hour,
    before_amount, before_upfront_amount, before_currency, before_unit,
    if(before_seen_at > before_at, before_seen_at, null) as before_seen_at
from rated;

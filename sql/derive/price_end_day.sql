-- grain: one appended row per UTC day from one date to before another, provider, purchase option and length of a price's life
-- A price that only moved as the exchange rate did has not ended: of a provider that bills in another currency the amount stood.
-- Its watching ends there, as that of one that lapsed does.
-- parameters: from_date date, to_date date
insert into price_end_day by name
with life as (
    select
        *,
        lead(usd_per_gpu_hour) over by_time as next_usd_per_gpu_hour,
        lead(valid_from) over by_time as next_from,
        lead(currency) over by_time as next_currency
    from price_history_wanted(
        null::varchar[], null::varchar[], null::varchar, null::varchar[], null::varchar[], null::integer, null::integer,
        $from_date::date::timestamp at time zone 'UTC' - interval 1 microsecond
    )
    window by_time as (partition by source, offer_id order by valid_from)
),

ended as (
    select * from life
    where
        valid_to >= $from_date::date::timestamp at time zone 'UTC'
        and valid_to < $to_date::date::timestamp at time zone 'UTC'
),

billing as (
    select distinct offer.provider, offer_current.currency
    from offer_current
    inner join offer on offer_current.offer_no = offer.offer_no
    where offer_current.currency <> 'USD'
),

rate as (
    select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit::double as usd from exchange_rate_day
),

-- both prices in dollars, or one of them: what is billed in one other currency is compared in it
moved as (
    select ended.source, ended.offer_id, ended.valid_from, ended.next_from, billing.currency,
        ln(ended.next_usd_per_gpu_hour::double / ended.usd_per_gpu_hour::double) as log_change
    from ended
    inner join billing on ended.provider = billing.provider
    where
        ended.next_from = ended.valid_to and ended.usd_per_gpu_hour > 0 and ended.next_usd_per_gpu_hour > 0
        and (ended.currency = 'USD' or ended.next_currency = 'USD')
),

only_rate as (
    select distinct moved.source, moved.offer_id, moved.valid_from
    from moved
    asof inner join rate as before on moved.currency = before.currency and moved.valid_from >= before.rate_at
    asof inner join rate as after on moved.currency = after.currency and moved.next_from >= after.rate_at
    -- half a percent: whoever converts may do so at the rate of the day before
    where abs(moved.log_change - ln(after.usd / before.usd)) < 0.005
)

select
    ended.valid_to::date as price_date,
    ended.provider,
    ended.purchase_option,
    age_hours(epoch(ended.last_seen_at) - epoch(ended.valid_from)) as held_hours,
    if(
        ended.valid_to < ended.lapses_at and ended.replaced_by is null and only_rate.offer_id is null,
        age_hours(epoch(ended.valid_to) - epoch(ended.valid_from)),
        null
    ) as ended_hours,
    count(*)::integer as prices
from ended
left join only_rate
    on ended.source = only_rate.source and ended.offer_id = only_rate.offer_id and ended.valid_from = only_rate.valid_from
group by all
order by all;

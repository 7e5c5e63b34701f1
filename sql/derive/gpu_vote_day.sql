-- grain: one appended row per GPU, purchase option, segment (null: all), provider and UTC day from one date to before another
-- The votes of the index, see docs/methodology.md. An offer counts on a day when its price was fresh or recorded at any
-- time of it; the last price of the day speaks. What was sold out or unlisted all day still says how its price moved, and is not
-- the cheapest.
-- parameters: from_date date, to_date date, doubtful varchar[]: names that hold a known cloud's beside words that nobody knows
-- (core/provider_name.py: cloud_in), which have no vote, as the cloud itself may have one already
insert into gpu_vote_day by name
with target as (
    select provider, min(fresh_for_seconds) as fresh_for_seconds from source where kind = 'live' group by provider
),

interval_of as (
    select
        history.source, history.offer_id, history.provider, history.gpu_id, history.purchase_option,
        if(history.tier = 'community', 'marketplace', coalesce(provider_segment.segment, 'neocloud')) as segment,
        history.usd_per_gpu_hour,
        history.valid_from::date as first_date,
        -- at least the day on which it was seen, even where it was seen once and another price came the same day
        greatest(
            history.valid_from,
            least(
                coalesce(history.valid_to, 'infinity'::timestamptz) - interval 1 microsecond,
                history.last_seen_at + to_seconds(coalesce(target.fresh_for_seconds, 172800))
            )
        )::date as last_date,
        lag(history.usd_per_gpu_hour) over by_time as before_usd_per_gpu_hour,
        -- not after a withdrawal, nor after the price before had lapsed
        lag(history.valid_to) over by_time >= history.valid_from as is_after_another
    from price_history_wanted(
        null::varchar[], null::varchar[], null::varchar, null::varchar[], null::varchar[], 1,
        -- parts of a card have no vote on the card
        -- a moment earlier: a checkpoint at midnight holds what changed at midnight, but not from what
        null::integer, $from_date::date::timestamp at time zone 'UTC' - interval 1 microsecond
    ) as history
    left join target on history.provider = target.provider
    left join provider_segment on history.provider = provider_segment.provider
    where
        history.gpu_id is not null and history.usd_per_gpu_hour > 0
        and not list_contains($doubtful::varchar[], history.provider)
    window by_time as (partition by history.source, history.offer_id order by history.valid_from)
),

daily as (
    select
        *,
        unnest(
            range(
                greatest(first_date, $from_date::date)::timestamp,
                least(last_date + 1, $to_date::date)::timestamp,
                interval 1 day
            )
        )::date as price_date
    from interval_of
    where last_date >= $from_date::date and first_date < $to_date::date
),

base as (
    select coalesce(max(checkpoint_at), '-infinity'::timestamptz) as base_at
    from price_checkpoint
    where checkpoint_at < $from_date::date::timestamp at time zone 'UTC'
),

stock as (
    select offer_no, observed_at, is_short(availability) as is_out
    from stock_change
    where
        observed_at > (select base_at from base)
        and observed_at < $to_date::date::timestamp at time zone 'UTC'
    union all
    select offer_no, stock_changed_at, is_short(availability)
    from price_checkpoint
    where checkpoint_at = (select base_at from base)
),

-- From when until when nothing was to be had. What nobody saw before was not to be had before either.
out_span as (
    select offer_no, from_at, coalesce(until_at, 'infinity'::timestamptz) as until_at, is_first
    from (
        select offer_no, observed_at as from_at, is_out, is_first, lead(observed_at) over by_time as until_at
        from (
            select *, lag(is_out) over by_event as was_out, row_number() over by_event = 1 as is_first
            from stock
            where offer_no in (select offer_no from stock where is_out)
            window by_event as (partition by offer_no order by observed_at)
            qualify is_out is distinct from was_out
        )
        window by_time as (partition by offer_no order by observed_at)
    )
    where is_out
),

out_day as (
    select
        offer_no,
        unnest(
            range(
                greatest(
                    if(is_first, from_at, from_at + interval 1 day - interval 1 microsecond)::date, $from_date::date
                )::timestamp,
                least(until_at, $to_date::date::timestamp at time zone 'UTC')::date::timestamp,
                interval 1 day
            )
        )::date as price_date
    from out_span
),

out_offer_day as (
    select distinct offer.source, offer.offer_id, out_day.price_date
    from out_day
    inner join offer on out_day.offer_no = offer.offer_no
),

offer_day as (
    select
        price_date, source, offer_id, provider, gpu_id, purchase_option, segment,
        arg_max(usd_per_gpu_hour, (first_date, last_date)) as usd_per_gpu_hour,
        bool_or(price_date > first_date or coalesce(is_after_another, false)) as is_matched,
        coalesce(
            sum(ln(usd_per_gpu_hour::double / before_usd_per_gpu_hour::double))
            filter (where price_date = first_date and is_after_another),
            0
        ) as log_change
    from daily
    group by all
),

placed as (
    select offer_day.*, out_offer_day.offer_id is not null as is_out
    from offer_day
    left join out_offer_day
        on offer_day.source = out_offer_day.source and offer_day.offer_id = out_offer_day.offer_id
        and offer_day.price_date = out_offer_day.price_date
)

select
    price_date,
    gpu_id,
    purchase_option,
    segment,
    provider,
    count(distinct offer_id) as offers,
    count(*) filter (where is_matched) as matched_offers,
    coalesce(median(log_change) filter (where is_matched), 0) as log_change,
    min(usd_per_gpu_hour) filter (where not is_out) as cheapest_usd_per_gpu_hour
from placed
group by
    grouping sets (
        (price_date, gpu_id, purchase_option, segment, provider), (price_date, gpu_id, purchase_option, provider)
    )
order by price_date, gpu_id, purchase_option, segment nulls first, provider;

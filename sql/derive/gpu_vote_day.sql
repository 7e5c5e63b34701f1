-- grain: one appended row per GPU, purchase option, segment (null: all), provider and UTC day from one date to before another
-- The votes of the index, see docs/methodology.md. An offer counts on a day when its price was fresh or recorded at any
-- time of it; the last price of the day speaks.
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
    min(usd_per_gpu_hour) as cheapest_usd_per_gpu_hour
from offer_day
group by
    grouping sets (
        (price_date, gpu_id, purchase_option, segment, provider), (price_date, gpu_id, purchase_option, provider)
    )
order by price_date, gpu_id, purchase_option, segment nulls first, provider;

-- grain: one row per offer wanted (see offer_wanted) and UTC day from one date to before another, at whose end it was on sale
-- A price counts for a day when it was in force at the day's end. An observation of a dated list is believed until it
-- lapses, and as long as its list has it in force or until the same price was seen again; it is confirmed while an answer
-- about the past says fresh or recorded of it. Of several sources of one offer that speaks which a later look confirmed, else
-- the one that saw it last, as in `offers_as_of`.
create or replace macro offer_day_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count, first_date, end_date) as table
with wanted as (
    select *
    from offer_by_any_name(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count)
    where gpu_id is not null
),

edge as (
    select
        first_date::timestamp at time zone 'UTC' as from_at,
        coalesce(
            (
                select max(checkpoint_at) from price_checkpoint
                where checkpoint_at <= first_date::timestamp at time zone 'UTC'
            ),
            '-infinity'::timestamptz
        ) as base_at
),

-- the last change of each offer on each day; days before the first count as one
closing as (
    select
        offer_no,
        greatest(observed_at::date, first_date - 1) as change_date,
        min(observed_at) as first_at,
        max(observed_at) as observed_at,
        arg_max({'amount': amount, 'upfront_amount': upfront_amount, 'currency': currency, 'unit': unit}, observed_at)
            as price
    from (
        select price_change.*
        from price_change
        semi join wanted on price_change.offer_no = wanted.offer_no
        where observed_at < end_date::timestamp at time zone 'UTC'
    )
    -- outside, so that only the changes of these offers are compared and not the whole log
    where observed_at > (select base_at from edge)
    group by offer_no, change_date
    union all
    select
        offer_no, first_date - 2, changed_at, changed_at,
        {'amount': amount, 'upfront_amount': upfront_amount, 'currency': currency, 'unit': unit}
    from price_checkpoint
    where checkpoint_at = (select base_at from edge) and offer_no in (select offer_no from wanted)
),

lasting as (
    select
        *,
        lead(change_date, 1, end_date) over by_date as next_date,
        lead(first_at) over by_date as next_at
    from closing
    window by_date as (partition by offer_no order by change_date)
),

-- Finding the day's rate means sorting; prices in dollars, nearly all, go past it.
bounded as (
    select *, 1::decimal(18, 9) as usd_per_unit
    from lasting
    where price.currency = 'USD' and price.amount is not null
    union all
    select lasting.*, rate.usd_per_unit
    from lasting
    asof inner join (
        select currency, rate_date::timestamp at time zone 'UTC' as rate_at, usd_per_unit from exchange_rate_day
    ) as rate
        on lasting.price.currency = rate.currency and lasting.observed_at >= rate.rate_at
    where lasting.price.currency <> 'USD' and lasting.price.amount is not null
),

last_run as (
    select source, max(observed_at) as run_at from scrape_run where outcome = 'accepted' group by source
),

late_run as (
    select * from late_looks()
),

-- last_seen_at: as far as is known to the end of the price; holds_until: what a later look confirmed it until
sighted as (
    select
        bounded.*,
        offer.* exclude (offer_no),
        described.fresh_for_seconds as target_seconds,
        greatest(
            bounded.observed_at,
            if(
                offer.kind = 'archive',
                dated_price.seen_until,
                coalesce(late_run.before_at, bounded.next_at, last_run.run_at)
            )
        ) as last_seen_at,
        if(offer.kind = 'archive', greatest(dated_price.seen_until, dated_price.same_until), last_seen_at) as holds_until
    from bounded
    inner join wanted as offer on bounded.offer_no = offer.offer_no
    left join offer_described as described on bounded.offer_no = described.offer_no
    left join last_run on offer.source = last_run.source
    left join late_run on offer.source = late_run.source and bounded.next_at = late_run.run_at
    left join dated_price on bounded.offer_no = dated_price.offer_no and bounded.observed_at = dated_price.observed_at
),

priced as (
    select
        offer_no, offer_id, gpu_id, purchase_option, provider, source, kind, is_chosen, observed_at, last_seen_at, holds_until,
        greatest(change_date, first_date) as from_date,
        -- what its list has in force, or what was seen again, has not lapsed between; to add an interval is slow, and needless
        -- where the price was seen until the next
        if(
            last_seen_at >= next_at,
            next_date,
            least(
                next_date, greatest(last_seen_at + price_horizon(purchase_option, tier, provider), holds_until)::date + 1
            )
        ) as to_date,
        -- the first day at whose end it is not confirmed any more
        if(
            last_seen_at >= next_at,
            next_date,
            (greatest(last_seen_at + to_seconds(target_seconds), holds_until) + interval 1 microsecond)::date
        ) as doubtful_date,
        usd_per_hour_of(
            price.amount, price.upfront_amount, price.unit, gpu_count, term_months, usd_per_unit
        ) / gpu_count as usd_per_gpu_hour
    from sighted
),

daily as (
    select *, unnest(range(from_date::timestamp, to_date::timestamp, interval 1 day))::date as price_date
    from priced
    where to_date > from_date
),

doubled as (
    select offer_id from wanted where is_chosen group by offer_id having count(*) > 1
),

-- what was seen later by another name, and what nobody confirmed beyond that day's end
outdated as (
    select one.offer_no, one.price_date
    from (select * from daily where kind = 'archive' and offer_no in (select offer_no from renamed_offer)) as one
    inner join renamed_offer on one.offer_no = renamed_offer.offer_no
    inner join daily as other on renamed_offer.other_no = other.offer_no and one.price_date = other.price_date
    left join dated_price on one.offer_no = dated_price.offer_no and one.observed_at = dated_price.observed_at
    where
        (
            -- however long ago it changed
            other.kind = 'live'
            or yields_to(
                one.observed_at, one.kind, one.source, interval 0 days, other.observed_at, other.kind, other.source
            )
        )
        and coalesce(
            greatest(dated_price.seen_until, dated_price.same_until)
            < (one.price_date + 1)::timestamp at time zone 'UTC',
            true
        )
),

named_once as (
    select daily.*
    from daily
    anti join outdated on daily.offer_no = outdated.offer_no and daily.price_date = outdated.price_date
    where daily.is_chosen
),

spoken as (
    select * from named_once where offer_id not in (select offer_id from doubled)
    union all
    select * exclude (day_end)
    from (
        -- its last microsecond
        select *, (price_date + 1)::timestamp at time zone 'UTC' - interval 1 microsecond as day_end
        from named_once
        where offer_id in (select offer_id from doubled)
    ) as known
    qualify row_number() over (
        partition by offer_id, price_date
        order by
            coalesce(holds_until >= day_end, false) desc, least(last_seen_at, day_end) desc, kind = 'live' desc, source
    ) = 1
)

select
    price_date, offer_id, gpu_id, purchase_option, provider,
    usd_per_gpu_hour::decimal(18, 6) as usd_per_gpu_hour,
    price_date < doubtful_date as is_confirmed
from spoken
where usd_per_gpu_hour is not null;

comment on macro table offer_day_wanted is
    'One row per offer that offer_wanted chooses and UTC day from first_date to before end_date, each identity once.';

-- grain: one row per claim of another price, with what the offer cost before
-- parameters: source varchar, started_at timestamptz
with move as (
    select * from claimed where claim = 'price'
),

-- the price of an own identity 7 and 30 days ago, since the last dispute that ended well
settled as (
    select offer_id, max(since_at) as settled_at
    from disputed_price
    where source = $source::varchar and state in ('confirmed', 'accepted')
    group by offer_id
),

base as (
    select
        coalesce(
            (
                select max(checkpoint_at) from price_checkpoint
                where checkpoint_at <= $started_at::timestamptz - interval 30 day
            ),
            '-infinity'::timestamptz
        ) as base_at
),

-- what has stood for 30 days has no other past
younger as (
    select offer_no from move where believed_changed_at > $started_at::timestamptz - interval 30 day
),

past_price as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit
    from price_change
    where
        observed_at > (select base_at from base)
        and amount is not null
        and offer_no in (select offer_no from younger)
    union all
    select offer_no, changed_at, amount, upfront_amount, currency, unit
    from price_checkpoint
    where
        checkpoint_at = (select base_at from base)
        and amount is not null
        and offer_no in (select offer_no from younger)
),

past_usd as (
    select
        move.offer_no,
        past_price.observed_at,
        settled.settled_at,
        usd_double(
            past_price.amount::double, past_price.upfront_amount::double, past_price.unit, move.gpu_count, move.term,
            move.usd_per_unit
        ) / move.gpu_count as usd
    from past_price
    inner join move on past_price.offer_no = move.offer_no
    left join settled on move.offer_id = settled.offer_id
    where past_price.currency = move.currency
),

past as (
    select
        offer_no,
        arg_max(usd, observed_at) filter (
            observed_at <= greatest($started_at::timestamptz - interval 7 day, settled_at)
        ) as usd_7,
        arg_max(usd, observed_at) filter (
            observed_at <= greatest($started_at::timestamptz - interval 30 day, settled_at)
        ) as usd_30,
        arg_min(usd, observed_at) as usd_first,
        arg_max(usd, observed_at) filter (
            observed_at < settled_at and settled_at > $started_at::timestamptz - interval 30 day
        ) as usd_unsettled
    from past_usd
    group by offer_no
)

select
    move.claim_no,
    coalesce(past.usd_7, if(younger.offer_no is null, move.believed_usd, null)) as usd_7,
    coalesce(past.usd_30, past.usd_first, if(younger.offer_no is null, move.believed_usd, null)) as usd_30,
    past.usd_unsettled
from move
left join younger on move.offer_no = younger.offer_no
left join past on move.offer_no = past.offer_no;

-- grain: one row per claim of another price, with what the offer cost before
-- parameters: source varchar, started_at timestamptz; reads claimed
with base as (
    select
        coalesce(
            (
                select max(checkpoint_at) from price_checkpoint
                where checkpoint_at <= $started_at::timestamptz - interval 30 day
            ),
            '-infinity'::timestamptz
        ) as base_at
),

-- since the last dispute of an offer that ended well
settled as (
    select offer_id, max(since_at) as settled_at
    from disputed_price
    where source = $source::varchar and state in ('confirmed', 'accepted')
    group by offer_id
),

younger as (
    select
        claimed.claim_no,
        claimed.offer_no,
        claimed.currency,
        claimed.usd_per_unit,
        claimed.gpu_count,
        claimed.term,
        settled.settled_at
    from claimed
    left join settled on claimed.offer_id = settled.offer_id
    where
        claimed.claim = 'price' and claimed.believed_changed_at > $started_at::timestamptz - interval 30 day
),

past_price as (
    select offer_no, observed_at, amount, upfront_amount, currency, unit
    from price_change
    where observed_at > (select base_at from base) and amount is not null
    union all
    select offer_no, changed_at, amount, upfront_amount, currency, unit
    from price_checkpoint
    where checkpoint_at = (select base_at from base) and amount is not null
),

past_usd as (
    select
        younger.claim_no,
        younger.settled_at,
        past_price.observed_at,
        usd_double(
            past_price.amount::double, past_price.upfront_amount::double, past_price.unit, younger.gpu_count,
            younger.term, younger.usd_per_unit
        ) / younger.gpu_count as usd
    from younger
    inner join past_price on younger.offer_no = past_price.offer_no and younger.currency = past_price.currency
),

past as (
    select
        claim_no,
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
    group by claim_no
)

select claim_no, usd_7, coalesce(usd_30, usd_first) as usd_30, usd_unsettled
from past
union all
-- what has stood for 30 days has no other past
select claim_no, believed_usd, believed_usd, null
from claimed
where
    claim = 'price' and (believed_changed_at > $started_at::timestamptz - interval 30 day) is distinct from true;

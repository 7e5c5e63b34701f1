-- grain: one row per offer that a run shows at another price than believed, for the first time, again, or not at all, in the
-- order of its number: those that are absent last
-- Offers with an open dispute are among them whatever they show.
-- parameters: source varchar, is_complete boolean; reads compared (sql/record/05_compared.sql)
with claimed as (
    select
        offer_id,
        position,
        offer_no,
        amount_before as believed_amount,
        upfront_amount_before as believed_upfront_amount,
        currency_before as believed_currency,
        unit_before as believed_unit,
        changed_at_before as believed_changed_at,
        case
            when is_absent then 'absence'
            when is_new then 'new'
            when amount_before is null then 'return'
            when is_other_price or is_other_gpu then 'price'
            else 'none'
        end as claim,
        was_unlisted,
        is_other_gpu
    from compared
),

open_dispute as (
    select * from disputed_latest where source = $source::varchar
)

select
    cast(row_number() over (order by claimed.position nulls last, claimed.offer_id) - 1 as integer) as claim_no,
    claimed.*,
    open_dispute.state as open_state,
    open_dispute.claim as open_claim,
    open_dispute.since_at as open_since_at,
    open_dispute.observed_at as open_at,
    open_dispute.amount as open_amount,
    open_dispute.upfront_amount as open_upfront_amount,
    open_dispute.currency as open_currency,
    open_dispute.unit as open_unit,
    open_dispute.usd_per_gpu_hour as open_usd,
    open_dispute.is_left_to_operator as open_is_left_to_operator,
    open_dispute.believed_seen_at as open_believed_seen_at
from claimed
left join open_dispute on claimed.offer_id = open_dispute.offer_id
where
    claimed.claim in ('price', 'new', 'return')
    or claimed.claim = 'absence' and claimed.believed_amount is not null and $is_complete::boolean
    or claimed.claim = 'none' and open_dispute.offer_id is not null
order by claim_no;

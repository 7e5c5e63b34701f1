-- grain: one row per offer that a run shows at another price than believed, for the first time, again, or not at all
-- Offers with an open dispute are among them whatever they show.
-- parameters: source varchar, is_complete boolean; reads the batch as seen_arrow
create or replace temp table claim as
with before as (
    select offer_no, offer_id, amount, upfront_amount, currency, unit, availability, changed_at
    from offer_current
    where source = $source::varchar
),

open_dispute as (
    select * from disputed_latest where source = $source::varchar
),

paired as (
    select
        coalesce(seen.offer_id, before.offer_id) as offer_id,
        seen.position,
        before.offer_no,
        before.amount as believed_amount,
        before.upfront_amount as believed_upfront_amount,
        before.currency as believed_currency,
        before.unit as believed_unit,
        before.changed_at as believed_changed_at,
        case
            when seen.offer_id is null then 'absence'
            when before.offer_no is null then 'new'
            when before.amount is null then 'return'
            when before.amount is distinct from seen.amount
                or before.upfront_amount is distinct from seen.upfront_amount
                or before.currency is distinct from seen.currency
                or before.unit is distinct from seen.unit then 'price'
            else 'none'
        end as claim,
        before.availability = 'unlisted' as was_unlisted
    from (select offer_id, position, amount, upfront_amount, currency, unit from seen_arrow) as seen
    full join before on seen.offer_id = before.offer_id
)

select
    paired.*,
    open_dispute.state as open_state,
    open_dispute.claim as open_claim,
    open_dispute.since_at as open_since_at,
    open_dispute.observed_at as open_at,
    open_dispute.amount as open_amount,
    open_dispute.upfront_amount as open_upfront_amount,
    open_dispute.currency as open_currency,
    open_dispute.unit as open_unit,
    open_dispute.usd_per_gpu_hour as open_usd,
    open_dispute.is_left_to_operator as open_is_left_to_operator
from paired
left join open_dispute on paired.offer_id = open_dispute.offer_id
where
    paired.claim in ('price', 'new', 'return')
    or paired.claim = 'absence' and paired.believed_amount is not null and $is_complete::boolean
    or paired.claim = 'none' and open_dispute.offer_id is not null;

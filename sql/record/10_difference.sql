-- grain: one row per offer whose run differs from its state: new, another price, stock or shape, or absent
-- An incomplete run (a key refused, a fallback) may mark an offer as unlisted, but only complete ones withdraw.
-- parameters: observed_at timestamptz, is_complete boolean; reads compared, and what sql/evidence ruled about it as ruling
create or replace temp table difference as
with ruled as (
    select compared.*, coalesce(ruling.is_held, false) as is_held, ruling.claimed_at
    from compared
    left join ruling on compared.offer_id = ruling.offer_id
)

select
    offer_no,
    offer_id,
    position,
    if(is_held, amount_before, amount) as amount,
    if(is_held, upfront_amount_before, upfront_amount) as upfront_amount,
    if(is_held, currency_before, currency) as currency,
    if(is_held, unit_before, unit) as unit,
    effective_at,
    coalesce(observed_at, $observed_at::timestamptz) as observed_at,
    -- accepted late, a price holds from when it was first seen, if nothing was known of the offer since
    if(
        claimed_at > coalesce(changed_at_before, '-infinity'::timestamptz),
        claimed_at,
        coalesce(observed_at, $observed_at::timestamptz)
    ) as price_observed_at,
    availability,
    document_no,
    shape_hash,
    amount_before,
    is_new,
    is_absent,
    if(is_absent, was_unlisted or claimed_at is not null, is_other_price and not is_held) as is_price_change,
    if(is_absent, not was_unlisted, is_other_stock) as is_stock_change,
    not is_absent and not is_new and if(is_other_gpu, not is_held, is_other_shape) as is_shape_change
from ruled
where
    -- what is disputed leaves the state as it is: no new offer, no return, no absence
    if(
        is_absent,
        not is_held and amount_before is not null and ($is_complete::boolean or not was_unlisted),
        (not is_held or amount_before is not null)
        and (is_other_price and not is_held or is_other_stock or is_other_shape or is_other_gpu)
    );

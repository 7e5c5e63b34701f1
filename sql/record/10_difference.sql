-- grain: one row per offer whose run differs from its state: new, another price, stock or shape, or absent
-- One pass over the batch and the state of its source; in a steady hour a twelfth of the offers is left.
-- An incomplete run (a key refused, a fallback) may mark an offer as unlisted, but only complete ones withdraw.
-- parameters: source varchar, observed_at timestamptz, is_complete boolean; reads the batch as seen_arrow, and what
--             sql/evidence ruled about it as ruling
create or replace temp table difference as
with before as (
    select offer_no, offer_id, amount, upfront_amount, currency, unit, availability, shape_hash, changed_at
    from offer_current
    where source = $source::varchar
),

-- The shape is reduced to its hash before the join: eleven columns less to carry.
seen as (
    select
        seen_arrow.offer_id, position, amount, upfront_amount, currency, unit, effective_at, observed_at, availability,
        document_no, coalesce(ruling.is_held, false) as is_held, ruling.claimed_at,
        hash(
            instance_type, gpu_id, gpu_memory_gib, vcpus, memory_gib, local_storage_gb, network, min_gpus, max_gpus,
            billing_increment_seconds, minimum_billing_seconds
        ) as shape_hash
    from seen_arrow
    left join ruling on seen_arrow.offer_id = ruling.offer_id
),

compared as (
    select
        before.offer_no,
        coalesce(seen.offer_id, before.offer_id) as offer_id,
        seen.position,
        if(seen.is_held, before.amount, seen.amount) as amount,
        if(seen.is_held, before.upfront_amount, seen.upfront_amount) as upfront_amount,
        if(seen.is_held, before.currency, seen.currency) as currency,
        if(seen.is_held, before.unit, seen.unit) as unit,
        seen.effective_at,
        coalesce(seen.observed_at, $observed_at::timestamptz) as observed_at,
        -- accepted late, a price holds from when it was first seen, if nothing was known of the offer since
        if(
            coalesce(seen.claimed_at, gone.claimed_at) > coalesce(before.changed_at, '-infinity'::timestamptz),
            coalesce(seen.claimed_at, gone.claimed_at),
            coalesce(seen.observed_at, $observed_at::timestamptz)
        ) as price_observed_at,
        gone.claimed_at is not null as is_gone_for_good,
        seen.availability,
        seen.document_no,
        seen.shape_hash,
        before.amount as amount_before,
        before.offer_no is null as is_new,
        seen.offer_id is null as is_absent,
        before.availability = 'unlisted' as was_unlisted,
        not coalesce(seen.is_held, false)
        and (
            before.amount is distinct from seen.amount
            or before.upfront_amount is distinct from seen.upfront_amount
            or before.currency is distinct from seen.currency
            or before.unit is distinct from seen.unit
        ) as is_other_price,
        before.availability is distinct from seen.availability as is_other_stock,
        before.shape_hash is distinct from seen.shape_hash as is_other_shape
    from seen
    full join before on seen.offer_id = before.offer_id
    left join ruling as gone on before.offer_id = gone.offer_id and seen.offer_id is null
    where
        -- what is disputed leaves the state as it is: no new offer, no return, no absence
        if(
            seen.offer_id is null,
            not coalesce(gone.is_held, false),
            not seen.is_held or before.amount is not null
        )
)

select
    * exclude (is_other_price, is_other_stock, is_other_shape, was_unlisted, is_gone_for_good),
    if(is_absent, was_unlisted or is_gone_for_good, is_other_price) as is_price_change,
    if(is_absent, not was_unlisted, is_other_stock) as is_stock_change,
    not is_absent and not is_new and is_other_shape as is_shape_change
from compared
where
    if(
        is_absent,
        amount_before is not null and ($is_complete::boolean or not was_unlisted),
        is_other_price or is_other_stock or is_other_shape
    );

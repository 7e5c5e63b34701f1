-- grain: one row per offer whose run differs from its state (new, another price, stock or shape, or absent), or that was
-- ever disputed
-- One pass over the batch and the state of its source, for what is weighed and what is written; in a steady hour a
-- twelfth of the offers is left.
-- parameters: source varchar; reads the batch as seen_arrow
create or replace temp table compared as
with before as (
    select offer_no, offer_id, amount, upfront_amount, currency, unit, availability, shape_hash, changed_at
    from offer_current
    where source = $source::varchar
),

-- The shape is reduced to its hash before the join: eleven columns less to carry.
seen as (
    select
        offer_id, position, amount, upfront_amount, currency, unit, effective_at, observed_at, availability, document_no,
        hash(
            instance_type, gpu_id, gpu_memory_gib, vcpus, memory_gib, local_storage_gb, network, min_gpus, max_gpus,
            billing_increment_seconds, minimum_billing_seconds
        ) as shape_hash
    from seen_arrow
),

paired as (
    select
        before.offer_no,
        coalesce(seen.offer_id, before.offer_id) as offer_id,
        seen.position,
        seen.amount,
        seen.upfront_amount,
        seen.currency,
        seen.unit,
        seen.effective_at,
        seen.observed_at,
        seen.availability,
        seen.document_no,
        seen.shape_hash,
        before.amount as amount_before,
        before.upfront_amount as upfront_amount_before,
        before.currency as currency_before,
        before.unit as unit_before,
        before.changed_at as changed_at_before,
        before.availability = 'unlisted' as was_unlisted,
        before.offer_no is null as is_new,
        seen.offer_id is null as is_absent,
        before.amount is distinct from seen.amount
        or before.upfront_amount is distinct from seen.upfront_amount
        or before.currency is distinct from seen.currency
        or before.unit is distinct from seen.unit as is_other_price,
        before.availability is distinct from seen.availability as is_other_stock,
        before.shape_hash is distinct from seen.shape_hash as is_other_shape
    from seen
    full join before on seen.offer_id = before.offer_id
)

-- what another memory, read for the same label, makes of an offer; a fuller name of the same card is none
select
    paired.*,
    coalesce(
        not paired.is_new
        and not paired.is_absent
        and offer.gpu_id is distinct from seen_arrow.gpu_id
        and not coalesce(starts_with(seen_arrow.gpu_id, offer.gpu_id || '-'), false)
        and offer.gpu_id is not null,
        false
    ) as is_other_gpu
from paired
left join offer on paired.offer_no = offer.offer_no
left join seen_arrow on paired.position = seen_arrow.position
where
    if(is_absent, amount_before is not null, is_other_price or is_other_stock or is_other_shape)
    or paired.offer_id in (select offer_id from disputed_price where source = $source::varchar);

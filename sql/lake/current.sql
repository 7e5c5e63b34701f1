-- grain: one merged row in offer_current per offer that a new run touched: what its logs end with now
-- Read back from the log and not from the new rows, of which a correction may not have been taken. The hash is that
-- of record/10_difference, so that the next refresh here sees no other shape.
merge into offer_current as current
using (
    with touched as (
        select offer_no, min(observed_at) as oldest_at from new_price group by offer_no
    ),

    last_price as (
        select price_change.*
        from price_change
        inner join touched
            on price_change.offer_no = touched.offer_no and price_change.observed_at >= touched.oldest_at
        where price_change.observed_at >= (select min(oldest_at) from touched)
        qualify row_number() over (partition by price_change.offer_no order by price_change.observed_at desc) = 1
    ),

    last_stock as (
        select offer_no, max(observed_at) as stock_changed_at, arg_max(availability, observed_at) as availability
        from new_stock
        group by offer_no
    ),

    shaped as (
        select offer.offer_no
        from offer
        inner join new_shape on offer.source = new_shape.source and offer.offer_id = new_shape.offer_id
    )

    select
        offer.offer_no,
        offer.source,
        offer.offer_id,
        last_price.observed_at as changed_at,
        last_price.amount,
        last_price.upfront_amount,
        last_price.currency,
        last_price.unit,
        last_price.effective_at,
        last_price.run_no,
        last_price.document_no,
        last_stock.availability,
        last_stock.stock_changed_at,
        if(
            coalesce(source.kind, 'archive') = 'live',
            hash(
                offer.instance_type, offer.gpu_id, offer.gpu_memory_gib, offer.vcpus, offer.memory_gib,
                offer.local_storage_gb, offer.network, offer.min_gpus, offer.max_gpus,
                offer.billing_increment_seconds, offer.minimum_billing_seconds
            ),
            null
        ) as shape_hash
    from offer
    left join source on offer.source = source.source
    left join last_price on offer.offer_no = last_price.offer_no
    left join last_stock on offer.offer_no = last_stock.offer_no
    where
        last_price.offer_no is not null
        or last_stock.offer_no is not null
        or offer.offer_no in (select offer_no from shaped)
) as new
on current.offer_no = new.offer_no
when matched then update set
    changed_at = coalesce(new.changed_at, current.changed_at),
    amount = if(new.changed_at is null, current.amount, new.amount),
    upfront_amount = if(new.changed_at is null, current.upfront_amount, new.upfront_amount),
    currency = if(new.changed_at is null, current.currency, new.currency),
    unit = if(new.changed_at is null, current.unit, new.unit),
    effective_at = if(new.changed_at is null, current.effective_at, new.effective_at),
    run_no = coalesce(new.run_no, current.run_no),
    document_no = if(new.changed_at is null, current.document_no, new.document_no),
    availability = coalesce(new.availability, current.availability),
    stock_changed_at = coalesce(new.stock_changed_at, current.stock_changed_at),
    shape_hash = new.shape_hash
when not matched then insert values (
    new.offer_no, new.source, new.offer_id, new.changed_at, new.amount, new.upfront_amount, new.currency, new.unit,
    new.effective_at, new.run_no, new.document_no, coalesce(new.availability, 'unknown'),
    coalesce(new.stock_changed_at, new.changed_at), new.shape_hash
);

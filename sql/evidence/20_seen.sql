-- grain: one row per claim, in the order of its number, in US dollars per GPU-hour, beside the price that was believed
-- What two offers must have in common to be compared is hashed once, since joins on one number are many times quicker
-- than on five names. What other offers say of a claim is of 40_past to 43_beside, which are asked where there is something
-- of their kind.
-- parameters: none; reads valued_claim
with priced as (
    select
        * replace (
            lower(instance_type) as instance_type,
            lower(sku) as sku,
            lower(region) as region,
            coalesce(tier, '') as tier,
            gpu_count::double as gpu_count
        ),
        coalesce(gpu_id, lookalike_gpu_id, normalised_label(gpu_label)) as gpu,
        coalesce(term_months, 0)::double as term,
        coalesce(believed_amount, withdrawn_amount)::double as before_amount,
        coalesce(believed_upfront_amount, withdrawn_upfront_amount)::double as before_upfront_amount,
        coalesce(believed_unit, withdrawn_unit) as before_unit
    from valued_claim
),

valued as (
    select
        *,
        kin_key(provider, via, gpu, purchase_option, term) as kin_key,
        list_key(provider, gpu) as list_key,
        if(position is null, null, usd_double(
            amount::double, upfront_amount::double, unit, gpu_count, term, usd_per_unit
        )) / gpu_count as usd,
        usd_double(
            before_amount, before_upfront_amount, before_unit, gpu_count, term, before_usd_per_unit
        ) / gpu_count as believed_usd
    from priced
)

select
    claim_no,
    offer_id,
    position,
    offer_no,
    claim,
    provider,
    gpu,
    gpu_id is not null as is_mapped,
    purchase_option,
    term,
    instance_type,
    sku,
    region,
    gpu_count,
    currency,
    usd_per_unit,
    usd,
    believed_usd,
    ln(usd / believed_usd) as change,
    believed_changed_at,
    was_unlisted,
    is_other_gpu,
    open_state,
    open_claim,
    open_since_at,
    open_at,
    open_usd::double as open_usd,
    open_is_left_to_operator,
    open_amount is not distinct from amount
    and open_upfront_amount is not distinct from upfront_amount
    and open_currency is not distinct from currency
    and open_unit is not distinct from unit as is_as_disputed,
    coalesce(before_currency <> currency, false) as is_other_currency,
    kin_key,
    list_key,
    cast(hash(provider) >> 1 as bigint) as provider_key,
    product_key(kin_key, instance_type) as product_key,
    place_key(kin_key, region, tier) as place_key,
    hash(place_key(kin_key, region, tier), gpu_count) as like_key,
    hash(kin_key, sku, gpu_count, tier) as machine_key,
    ways_key(list_key, instance_type, region, gpu_count) as ways_key,
    market_key(gpu, purchase_option, term) as market_key,
    hash(provider, purchase_option, term, sku, region, gpu_count) as label_key,
    hash(provider, gpu, region, gpu_count) as way_key,
    hash(provider, purchase_option, term, region, gpu_count) as shelf_key,
    hash(purchase_option, term, tier) as way
from valued
order by claim_no;

-- grain: one row per claim of a run, in the order of its number, with what it says itself
-- What other offers say of it is of 40_past to 43_beside, which are asked where there is something of their kind.
select
    claimed.claim_no,
    claimed.offer_id,
    claimed.position,
    claimed.claim,
    claimed.provider,
    claimed.instance_type,
    claimed.sku,
    claimed.region,
    claimed.gpu,
    claimed.is_mapped,
    claimed.purchase_option,
    claimed.term,
    claimed.gpu_count,
    claimed.currency,
    claimed.usd,
    claimed.believed_usd,
    epoch(claimed.believed_changed_at) as believed_changed_at,
    claimed.kin_key,
    claimed.product_key,
    claimed.place_key,
    hash(claimed.place_key, claimed.gpu_count) as like_key,
    hash(claimed.kin_key, claimed.sku, claimed.gpu_count, claimed.tier) as machine_key,
    hash(claimed.provider, claimed.purchase_option, claimed.term, claimed.sku, claimed.region, claimed.gpu_count)
        as label_key,
    hash(claimed.provider, claimed.gpu, claimed.region, claimed.gpu_count) as way_key,
    hash(claimed.purchase_option, claimed.term, claimed.tier) as way,
    claimed.is_as_disputed,
    claimed.is_other_currency,
    claim.was_unlisted,
    claim.open_state,
    claim.open_claim,
    epoch(claim.open_since_at) as open_since_at,
    epoch(claim.open_at) as open_at,
    claim.open_usd::double as open_usd,
    claim.open_is_left_to_operator,
    ln(claimed.usd / claimed.believed_usd) as change
from claimed
inner join claim on claimed.claim_no = claim.claim_no
order by claimed.claim_no;

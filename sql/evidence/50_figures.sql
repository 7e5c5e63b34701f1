-- grain: one row per claim of a run, with every figure that speaks for or against it
-- parameters: source varchar, started_at timestamptz
with fresh_claim as (
    select * from claimed where claim in ('new', 'return')
),

-- the provider's other offers of the GPU, bought alike: the lowest and the highest two, of which one may be the claim's
kin as (
    select
        kin_key,
        min(usd, 2) as lowest,
        max(usd, 2) as highest,
        arg_min(offer_no, usd) as lowest_no,
        arg_max(offer_no, usd) as highest_no
    from known
    where seen_at > $started_at::timestamptz - interval 90 day
    group by kin_key
),

-- the same machine in the source's other places
product as (
    select
        product_key,
        min(usd, 2) as lowest,
        max(usd, 2) as highest,
        count(*) as offers
    from known
    where is_own
    group by product_key
),

-- what the provider asks on demand, for a way of buying that nothing else of it is known in
list_price as (
    select list_key, min(usd) as usd
    from known
    where
        is_list
        and list_key in (select list_key from fresh_claim)
        and seen_at > $started_at::timestamptz - interval 90 day
    group by list_key
),

-- the cheapest of each provider and GPU, of which the two lowest are kept: an offer is compared with the others'
market_provider as (
    select market_key, provider, min(usd) as usd
    from known
    where market_key is not null and seen_at > $started_at::timestamptz - interval 30 day
    group by market_key, provider
),

market as (
    select market_key, min({'usd': usd, 'provider': provider}, 2) as lowest, max(usd) as highest
    from market_provider
    group by market_key
),

-- the newest word of another source about the same offer, and one that agrees with the claim
other as (
    select
        claimed.offer_id,
        arg_max({'usd': known.usd, 'source': known.source, 'seen_at': known.seen_at, 'is_direct': known.is_direct},
            known.seen_at) as newest,
        bool_or(
            abs(ln(known.usd / claimed.usd)) < 0.01
            and known.changed_at > coalesce(claimed.believed_changed_at, $started_at::timestamptz - interval 30 day)
            and known.seen_at > $started_at::timestamptz - interval 30 day
        ) as agrees
    from claimed
    inner join known on claimed.offer_id = known.offer_id and not known.is_own
    where claimed.claim <> 'absence'
    group by claimed.offer_id
),

-- the same machine with another count at one price for the whole: a count or a unit was misread
whole as (
    select place_key, gpu_count, floor(ln(usd * gpu_count) * 200) as step, usd * gpu_count as usd
    from known
    where is_own and place_key in (select place_key from fresh_claim)
),

recounted as (
    select fresh.offer_id, any_value(whole.gpu_count) as gpu_count
    from (
        select
            offer_id, place_key, gpu_count, usd * gpu_count as usd,
            floor(ln(usd * gpu_count) * 200) + unnest([-1, 0, 1]) as step
        from fresh_claim
    ) as fresh
    inner join whole on fresh.place_key = whole.place_key and fresh.step = whole.step
    where fresh.gpu_count <> whole.gpu_count and abs(fresh.usd / whole.usd - 1) < 0.005
    group by fresh.offer_id
),

-- a price that became that of another way to buy the same machine: one column was read for the other
copied as (
    select distinct claimed.offer_id
    from claimed
    inner join known on claimed.ways_key = known.ways_key
    where
        claimed.claim = 'price'
        and abs(ln(claimed.usd / claimed.believed_usd)) > 0.02
        and known.is_own
        and known.kin_key <> claimed.kin_key
        and abs(ln(known.usd / claimed.usd)) < 0.0005
        and abs(ln(known.usd / claimed.believed_usd)) > 0.02
),

-- regions that the source had before this run
old_region as (
    select distinct lower(region) as region
    from offer
    where source = $source::varchar and exists (select 1 from claimed where claim = 'new')
),

-- the middle of the batch's own new offers of that GPU, for a first answer that nothing else knows
middle as (
    select kin_key, median(usd) as usd, count(*) as offers
    from fresh_claim
    where usd is not null
    group by kin_key
)

select
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
    claimed.place_key,
    hash(claimed.place_key, claimed.gpu_count) as like_key,
    hash(claimed.kin_key, claimed.sku, claimed.gpu_count, claimed.tier) as machine_key,
    hash(claimed.provider, claimed.purchase_option, claimed.term, claimed.sku, claimed.region, claimed.gpu_count)
        as label_key,
    hash(claimed.provider, claimed.gpu, claimed.region, claimed.gpu_count) as way_key,
    hash(claimed.purchase_option, claimed.term, claimed.tier) as way,
    old_region.region is not null as is_old_region,
    claimed.is_as_disputed,
    claimed.is_other_currency,
    claim.was_unlisted,
    claim.open_state,
    claim.open_claim,
    epoch(claim.open_since_at) as open_since_at,
    epoch(claim.open_at) as open_at,
    claim.open_usd::double as open_usd,
    claim.open_is_left_to_operator,
    coalesce(moved.change, ln(claimed.usd / claimed.believed_usd)) as change,
    moved.option_both,
    moved.option_factor,
    moved.option_alike,
    moved.option_gpus,
    moved.product_regions,
    moved.product_alike,
    moved.region_alike,
    moved.region_gpus,
    product.offers as product_both,
    product.lowest[2] as sibling_low,
    product.highest[2] as sibling_high,
    coalesce(moved.is_exchanged, false) or copied.offer_id is not null as is_exchanged,
    coalesce(moved.is_of_places, false) as is_of_places,
    moved.usd_7,
    moved.usd_30,
    moved.usd_unsettled,
    list_price.usd as list_usd,
    if(kin.lowest_no = claimed.offer_no, kin.lowest[2], kin.lowest[1]) as kin_low,
    if(kin.highest_no = claimed.offer_no, kin.highest[2], kin.highest[1]) as kin_high,
    if(market.lowest[1].provider = claimed.provider, market.lowest[2].usd, market.lowest[1].usd) as market_low,
    market.highest as market_high,
    other.newest.usd as other_usd,
    other.newest.source as other_source,
    epoch(other.newest.seen_at) as other_seen_at,
    other.newest.is_direct as other_is_direct,
    coalesce(other.agrees, false) as other_agrees,
    recounted.gpu_count as recounted_count,
    standing_region.listed as region_listed,
    standing_region.gone as region_gone,
    standing_gpu.listed as gpu_listed,
    standing_gpu.gone as gpu_gone,
    if(standing_option.gone >= standing_option.listed, standing_option.listed, standing_term.listed) as option_listed,
    if(standing_option.gone >= standing_option.listed, standing_option.gone, standing_term.gone) as option_gone,
    standing_all.listed as all_listed,
    standing_all.gone as all_gone,
    standing_all.missing as all_missing,
    middle.usd as middle_usd,
    middle.offers as middle_offers
from claimed
inner join claim on claimed.offer_id = claim.offer_id
left join moved on if(claimed.claim = 'price', claimed.offer_no, null) = moved.offer_no
left join kin on claimed.kin_key = kin.kin_key
left join product on claimed.product_key = product.product_key
left join market on claimed.market_key = market.market_key
left join other on claimed.offer_id = other.offer_id
left join recounted on claimed.offer_id = recounted.offer_id
left join copied on claimed.offer_id = copied.offer_id
left join (select * from standing where region is not null) as standing_region
    on if(claimed.claim = 'absence', claimed.region, null) = standing_region.region
left join (select * from standing where gpu is not null) as standing_gpu
    on if(claimed.claim = 'absence', claimed.gpu, null) = standing_gpu.gpu
left join (select * from standing where purchase_option is not null and term is null) as standing_option
    on if(claimed.claim = 'absence', claimed.purchase_option, null) = standing_option.purchase_option
left join (select * from standing where purchase_option is not null and term is not null) as standing_term
    on if(claimed.claim = 'absence', claimed.purchase_option, null) = standing_term.purchase_option
    and claimed.term = standing_term.term
left join (select * from standing where region is null and gpu is null and purchase_option is null) as standing_all
    on true
left join old_region on if(claimed.claim = 'new', claimed.region, null) = old_region.region
left join list_price on claimed.list_key = list_price.list_key
left join middle on if(claimed.claim in ('new', 'return'), claimed.kin_key, null) = middle.kin_key
order by claimed.position nulls last, claimed.offer_id;

-- grain: one row per claim, with what other offers cost that it is held to
-- parameters: started_at timestamptz
-- the provider's other offers of the GPU, bought alike: the lowest and the highest two, of which one may be the claim's
with kin as (
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
    inner join known on claimed.offer_id = known.other_offer_id
    where claimed.claim <> 'absence'
    group by claimed.offer_id
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
)

select
    claimed.claim_no,
    product.offers as product_both,
    product.lowest[2] as sibling_low,
    product.highest[2] as sibling_high,
    copied.offer_id is not null as is_copied,
    if(kin.lowest_no = claimed.offer_no, kin.lowest[2], kin.lowest[1]) as kin_low,
    if(kin.highest_no = claimed.offer_no, kin.highest[2], kin.highest[1]) as kin_high,
    if(market.lowest[1].provider = claimed.provider, market.lowest[2].usd, market.lowest[1].usd) as market_low,
    market.highest as market_high,
    other.newest.usd as other_usd,
    other.newest.source as other_source,
    epoch(other.newest.seen_at) as other_seen_at,
    other.newest.is_direct as other_is_direct,
    coalesce(other.agrees, false) as other_agrees
from claimed
left join kin on claimed.kin_key = kin.kin_key
left join product on claimed.product_key = product.product_key
left join market on claimed.market_key = market.market_key
left join other on claimed.offer_id = other.offer_id
left join copied on claimed.offer_id = copied.offer_id;

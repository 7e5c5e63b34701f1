-- grain: one row per claim, with what other offers cost that it is held to
-- Of lists of two the numbers are taken before they are joined to thousands of claims.
-- parameters: started_at timestamptz; reads claimed and known
-- the provider's other offers of the GPU, bought alike: the lowest and the highest two, of which one may be the claim's
with kin as (
    select
        kin_key,
        min(usd, 2) filter (seen_at > $started_at::timestamptz - interval 90 day) as lowest,
        max(usd, 2) filter (seen_at > $started_at::timestamptz - interval 90 day) as highest,
        arg_min(offer_no, usd) filter (seen_at > $started_at::timestamptz - interval 90 day) as lowest_no,
        arg_max(offer_no, usd) filter (seen_at > $started_at::timestamptz - interval 90 day) as highest_no,
        min(usd) filter (seen_at > $started_at::timestamptz - interval 30 day) as low_of_month,
        any_value(provider_key) as provider_key,
        any_value(market_key) as market_key
    from known
    group by kin_key
),

kin_end as (
    select
        kin_key, lowest_no, highest_no,
        lowest[1] as low, lowest[2] as next_low, highest[1] as high, highest[2] as next_high
    from kin
),

-- the same machine in the source's other places
product as (
    select
        product_key,
        min(usd, 2) as lowest,
        max(usd, 2) as highest,
        count(*) as offers
    from known
    where is_own and product_key in (select product_key from claimed)
    group by product_key
),

sibling as (
    select product_key, offers, lowest[2] as low, highest[2] as high from product
),

-- the cheapest of each provider and GPU, of which the two lowest are kept: an offer is compared with the others'
market_provider as (
    select market_key, provider_key, min(low_of_month) as usd
    from kin
    where market_key is not null and low_of_month is not null
    group by market_key, provider_key
),

market as (
    select market_key, min({'usd': usd, 'provider_key': provider_key}, 2) as lowest, max(usd) as high
    from market_provider
    group by market_key
),

market_end as (
    select
        market_key, lowest[1].provider_key as low_provider_key, lowest[1].usd as low, lowest[2].usd as next_low, high
    from market
),

-- a price that became that of another way to buy the same machine: one column was read for the other
copied as (
    select distinct claimed.claim_no
    from claimed
    inner join known on claimed.ways_key = known.ways_key
    where
        claimed.claim = 'price'
        and abs(claimed.change) > 0.02
        and known.is_own
        and known.kin_key <> claimed.kin_key
        and abs(ln(known.usd / claimed.usd)) < 0.0005
        and abs(ln(known.usd / claimed.believed_usd)) > 0.02
)

select
    claimed.claim_no,
    sibling.offers as product_both,
    sibling.low as sibling_low,
    sibling.high as sibling_high,
    copied.claim_no is not null as is_copied,
    if(kin_end.lowest_no = claimed.offer_no, kin_end.next_low, kin_end.low) as kin_low,
    if(kin_end.highest_no = claimed.offer_no, kin_end.next_high, kin_end.high) as kin_high,
    if(market_end.low_provider_key = claimed.provider_key, market_end.next_low, market_end.low) as market_low,
    market_end.high as market_high
from claimed
left join kin_end on claimed.kin_key = kin_end.kin_key
left join sibling on claimed.product_key = sibling.product_key
left join market_end on claimed.market_key = market_end.market_key
left join copied on claimed.claim_no = copied.claim_no;

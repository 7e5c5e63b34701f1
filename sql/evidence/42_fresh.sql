-- grain: one row per claim of an offer that is new or returns, with what it resembles
-- parameters: source varchar, started_at timestamptz; reads claimed and known
with fresh_claim as (
    select * from claimed where claim in ('new', 'return')
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

-- regions that the source had before this run
old_region as (
    select distinct lower(region) as region
    from offer
    where source = $source::varchar and exists (select 1 from fresh_claim where claim = 'new')
),

-- the middle of the batch's own new offers of that GPU, for a first answer that nothing else knows
middle as (
    select kin_key, median(usd) as usd, count(*) as offers
    from fresh_claim
    where usd is not null
    group by kin_key
)

select
    claimed.claim_no,
    recounted.gpu_count as recounted_count,
    old_region.region is not null as is_old_region,
    list_price.usd as list_usd,
    middle.usd as middle_usd,
    middle.offers as middle_offers
from fresh_claim as claimed
left join recounted on claimed.offer_id = recounted.offer_id
left join old_region on if(claimed.claim = 'new', claimed.region, null) = old_region.region
left join list_price on claimed.list_key = list_price.list_key
left join middle on claimed.kin_key = middle.kin_key;

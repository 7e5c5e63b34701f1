-- grain: one row per claim of a new offer, with how the new prices of its place, or of its provider, are those of another place,
-- or of all of them, times one factor
-- Lowest prices are compared, one per accelerator and way to buy: hosts of a marketplace ask what they like, so that of many
-- prices some are always in one ratio to some others. A null region stands for all of a provider.
-- parameters: none; reads claimed and known
with fresh as (
    select
        provider,
        region,
        gpu,
        hash(gpu, purchase_option, term) as kind,
        min(usd) as usd
    from claimed
    where claim = 'new' and usd is not null
    group by grouping sets ((provider, region, gpu, kind), (provider, gpu, kind))
),

before as (
    select
        offer.provider,
        lower(offer.region) as region,
        hash(
            coalesce(offer.gpu_id, normalised_label(offer.gpu_label)), offer.purchase_option,
            coalesce(offer.term_months, 0)::double
        ) as kind,
        min(known.usd) as usd
    from known
    inner join offer on known.offer_no = offer.offer_no
    where known.is_own
    group by grouping sets ((offer.provider, lower(offer.region), kind), (offer.provider, kind))
),

-- each ratio counts for two steps of a hundredth, so that none is parted from its like by the edge of one
ratio as (
    select
        fresh.provider,
        fresh.region,
        fresh.gpu,
        before.provider as from_provider,
        before.region as from_region,
        ln(fresh.usd / before.usd) as change,
        floor(ln(fresh.usd / before.usd) * 100) + unnest([0, 1]) as step
    from fresh
    inner join before on fresh.kind = before.kind
),

alike as (
    select
        provider,
        region,
        coalesce(from_region, from_provider) as like_it,
        avg(change) as change,
        count(*) as kinds,
        count(distinct gpu) as gpus
    from ratio
    group by provider, region, from_provider, from_region, step
),

nearest as (
    select
        provider,
        region,
        arg_max(
            {'like_it': like_it, 'change': change, 'kinds': kinds, 'gpus': gpus}, (kinds, gpus, change, like_it)
        ) as best
    from alike
    where change < -0.03
    group by provider, region
),

place as (
    select nearest.*, count(*) as kinds
    from nearest
    inner join fresh
        on nearest.provider = fresh.provider and nearest.region is not distinct from fresh.region
    group by all
)

select
    claimed.claim_no,
    arg_max(place.best.like_it, place.best.kinds / place.kinds) as repeated_region,
    exp(arg_max(place.best.change, place.best.kinds / place.kinds)) as repeated_factor,
    arg_max(place.best.kinds, place.best.kinds / place.kinds) as repeated_alike,
    arg_max(place.best.gpus, place.best.kinds / place.kinds) as repeated_gpus,
    arg_max(place.kinds, place.best.kinds / place.kinds) as repeated_of
from claimed
inner join place
    on claimed.provider = place.provider and (place.region is null or claimed.region = place.region)
where claimed.claim = 'new' and place.best.kinds >= 3 and place.best.gpus >= 2
group by claimed.claim_no;

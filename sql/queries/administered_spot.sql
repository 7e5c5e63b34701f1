-- grain: one row per provider whose spot price is one fixed share of its on-demand price everywhere
-- Such a price is set by the provider, not found by a market: at least 3 pairs, all but one in twenty within 1 % of the
-- median share.
-- parameters: gpu_ids varchar (parted by commas; null: all)
with pair as (
    select
        spot.provider,
        spot.usd_per_gpu_hour::double / min(listed.usd_per_gpu_hour)::double as share
    from offer_latest as spot
    inner join offer_latest as listed
        on
            spot.provider = listed.provider
            and spot.gpu_id = listed.gpu_id
            and spot.gpu_count = listed.gpu_count
            and spot.region = listed.region
            and spot.instance_type = listed.instance_type
            and spot.tier is not distinct from listed.tier
    where
        spot.purchase_option = 'spot'
        and listed.purchase_option = 'on_demand'
        and ($gpu_ids::varchar is null or list_contains(string_split($gpu_ids::varchar, ','), spot.gpu_id))
    group by spot.provider, spot.offer_id, spot.usd_per_gpu_hour
),

usual as (
    select provider, median(share) as share from pair group by provider
)

select pair.provider, round(usual.share, 4) as share_of_on_demand, count(*) as pairs
from pair
inner join usual on pair.provider = usual.provider
group by pair.provider, usual.share
having count(*) >= 3 and avg((abs(pair.share / usual.share - 1) <= 0.01)::integer) >= 0.95
order by pair.provider;

-- grain: one row per provider and region with offers now
select
    offer_latest.provider,
    offer_latest.region,
    region.location_name,
    offer_latest.country,
    offer_latest.continent,
    count(*) as offers,
    count(distinct offer_latest.gpu_id) as gpus
from offer_latest
left join region on offer_latest.provider = region.provider and offer_latest.region = region.region
group by all
order by offer_latest.provider, offer_latest.region;

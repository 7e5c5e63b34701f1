-- grain: one row per instance type and region with both prices: the discount of spot
select
    spot.provider, spot.instance_type, spot.region, on_demand.usd_per_hour as on_demand_usd_per_hour,
    min(spot.usd_per_hour) as spot_usd_per_hour,
    cast(greatest(1 - min(spot.usd_per_hour) / on_demand.usd_per_hour, -99999) as decimal(9, 4)) as discount
from offer_latest as spot
inner join offer_latest as on_demand
    on spot.provider = on_demand.provider
    and spot.instance_type = on_demand.instance_type
    and spot.region = on_demand.region
    and spot.tier is not distinct from on_demand.tier
where spot.purchase_option = 'spot' and on_demand.purchase_option = 'on_demand'
group by spot.provider, spot.instance_type, spot.region, on_demand.usd_per_hour
order by discount desc, spot.provider, spot.instance_type, spot.region;

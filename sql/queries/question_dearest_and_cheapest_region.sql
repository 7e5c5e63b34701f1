-- grain: one row per provider and instance type sold in several regions: the spread between them
select
    provider, instance_type, purchase_option,
    arg_min(region, (usd_per_hour, region)) as cheapest_region, min(usd_per_hour) as cheapest_usd_per_hour,
    arg_max(region, (usd_per_hour, region)) as dearest_region, max(usd_per_hour) as dearest_usd_per_hour
from offer_latest
where usd_per_hour is not null
group by provider, instance_type, purchase_option
having count(distinct region) > 1
order by provider, instance_type, purchase_option;

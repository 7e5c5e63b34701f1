-- grain: one row per commitment with an on-demand price beside it: what the promise saves
select
    reserved.provider, reserved.instance_type, reserved.region, reserved.term_months, reserved.payment,
    on_demand.usd_per_hour as on_demand_usd_per_hour, reserved.usd_per_hour as reserved_usd_per_hour,
    cast(greatest(1 - reserved.usd_per_hour / on_demand.usd_per_hour, -99999) as decimal(9, 4)) as discount
from offer_latest as reserved
inner join offer_latest as on_demand
    on reserved.provider = on_demand.provider
    and reserved.instance_type = on_demand.instance_type
    and reserved.region = on_demand.region
where reserved.purchase_option = 'reserved' and on_demand.purchase_option = 'on_demand'
order by discount desc, reserved.provider, reserved.instance_type, reserved.region, reserved.term_months;

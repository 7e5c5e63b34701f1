-- grain: one row per offer on sale, in the column names of FOCUS 1.2 (FinOps Open Cost and Usage Specification)
-- Draft: a price list is no usage record, so only the columns about price, product and place are filled.
create or replace view focus_sku_price as
select
    offer.offer_id as "SkuPriceId",
    offer.sku as "SkuId",
    offer.instance_type as "SkuMeter",
    'Compute' as "ServiceCategory",
    'Virtual Machines' as "ServiceSubcategory",
    coalesce(offer.via, offer.provider) as "ProviderName",
    offer.provider as "PublisherName",
    offer.region as "RegionId",
    region.location_name as "RegionName",
    offer.zone as "AvailabilityZone",
    case offer.purchase_option
        when 'on_demand' then 'Standard'
        when 'spot' then 'Dynamic'
        else 'Committed'
    end as "PricingCategory",
    if(offer.purchase_option in ('reserved', 'capacity_block'), 'Usage', null) as "CommitmentDiscountCategory",
    offer_current.currency as "PricingCurrency",
    case offer_current.unit
        when 'hour' then 'Hours'
        when 'gpu_hour' then 'GPU-Hours'
        when 'month' then 'Months'
        else 'Terms'
    end as "PricingUnit",
    offer_current.amount as "ListUnitPrice",
    offer_current.changed_at as "x_ValidFrom",
    offer.gpu_id as "x_GpuId",
    offer.gpu_count as "x_GpuCount"
from offer_current
inner join offer on offer_current.offer_no = offer.offer_no
left join region on offer.provider = region.provider and offer.region = region.region
where offer_current.amount is not null;

comment on view focus_sku_price is
    'Draft. One row per source and offer on sale in the column names of FOCUS 1.2; x_ columns are ours.';
comment on column focus_sku_price."SkuPriceId" is 'Hash of the stable terms: offer_id.';
comment on column focus_sku_price."SkuId" is 'Product code of the provider.';
comment on column focus_sku_price."SkuMeter" is 'Machine shape.';
comment on column focus_sku_price."ServiceCategory" is 'Compute.';
comment on column focus_sku_price."ServiceSubcategory" is 'Virtual Machines.';
comment on column focus_sku_price."ProviderName" is 'Who sells: the aggregator, else the cloud.';
comment on column focus_sku_price."PublisherName" is 'Cloud that runs the machine.';
comment on column focus_sku_price."RegionId" is 'Region code of the provider, or global.';
comment on column focus_sku_price."RegionName" is 'Name of the region.';
comment on column focus_sku_price."AvailabilityZone" is 'Zone inside the region, if priced apart.';
comment on column focus_sku_price."PricingCategory" is 'Standard (on-demand), Dynamic (spot) or Committed.';
comment on column focus_sku_price."CommitmentDiscountCategory" is 'Usage for commitments.';
comment on column focus_sku_price."PricingCurrency" is 'ISO 4217 code.';
comment on column focus_sku_price."PricingUnit" is 'Hours, GPU-Hours, Months or Terms.';
comment on column focus_sku_price."ListUnitPrice" is 'Undiscounted price of one unit.';
comment on column focus_sku_price."x_ValidFrom" is 'When the price was first seen.';
comment on column focus_sku_price."x_GpuId" is 'The accelerator.';
comment on column focus_sku_price."x_GpuCount" is 'Accelerators in one instance.';

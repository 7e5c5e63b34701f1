-- grain: one row per charge that counts and has dollars, in the columns of FOCUS 1.0 (Cost and Usage)
-- Ids of accounts and resources are this home's hashes; what was priced from the ledger says so in x_UsdFrom.
select
    zone as "AvailabilityZone",
    coalesce(billed_usd, usd)::decimal(18, 9) as "BilledCost",
    coalesce(account, 'not given') as "BillingAccountId",
    null::varchar as "BillingAccountName",
    'USD' as "BillingCurrency",
    strftime(date_trunc('month', started_at) + interval 1 month, '%Y-%m-%dT%H:%M:%SZ') as "BillingPeriodEnd",
    strftime(date_trunc('month', started_at), '%Y-%m-%dT%H:%M:%SZ') as "BillingPeriodStart",
    case category
        when 'usage' then 'Usage'
        when 'purchase' then 'Purchase'
        when 'tax' then 'Tax'
        when 'credit' then 'Credit'
        else 'Adjustment'
    end as "ChargeCategory",
    null::varchar as "ChargeClass",
    concat_ws(' ', service, instance_type) as "ChargeDescription",
    case category when 'usage' then 'Usage-Based' when 'purchase' then 'Recurring' else 'One-Time' end as "ChargeFrequency",
    strftime(ended_at, '%Y-%m-%dT%H:%M:%SZ') as "ChargePeriodEnd",
    strftime(started_at, '%Y-%m-%dT%H:%M:%SZ') as "ChargePeriodStart",
    if(purchase_option = 'reserved', 'Usage', null) as "CommitmentDiscountCategory",
    null::varchar as "CommitmentDiscountId",
    null::varchar as "CommitmentDiscountName",
    if(purchase_option = 'reserved', if(is_unused, 'Unused', 'Used'), null) as "CommitmentDiscountStatus",
    null::varchar as "CommitmentDiscountType",
    if(category = 'usage', quantity, null)::decimal(30, 9) as "ConsumedQuantity",
    if(category = 'usage', unit, null) as "ConsumedUnit",
    usd::decimal(18, 9) as "ContractedCost",
    null::decimal(18, 9) as "ContractedUnitPrice",
    usd::decimal(18, 9) as "EffectiveCost",
    provider as "InvoiceIssuerName",
    coalesce(list_usd, billed_usd, usd)::decimal(18, 9) as "ListCost",
    null::decimal(18, 9) as "ListUnitPrice",
    case purchase_option
        when 'on_demand' then 'Standard'
        when 'spot' then 'Dynamic'
        when 'reserved' then 'Committed'
    end as "PricingCategory",
    quantity::decimal(30, 9) as "PricingQuantity",
    unit as "PricingUnit",
    provider as "ProviderName",
    provider as "PublisherName",
    region as "RegionId",
    region as "RegionName",
    resource as "ResourceId",
    null::varchar as "ResourceName",
    if(kind in ('gpu', 'compute'), 'machine', null) as "ResourceType",
    case
        when kind in ('gpu', 'compute') then 'Compute'
        when kind = 'storage' then 'Storage'
        when kind = 'network' then 'Networking'
        else 'Other'
    end as "ServiceCategory",
    coalesce(service, kind) as "ServiceName",
    coalesce(instance_type, gpu_id, service, kind) as "SkuId",
    concat_ws(':', coalesce(instance_type, gpu_id, service, kind), purchase_option) as "SkuPriceId",
    sub_account as "SubAccountId",
    null::varchar as "SubAccountName",
    nullif(
        to_json(map_from_entries(list_filter(
            [
                {'k': 'gpuledger-quote', 'v': tag_quote}, {'k': 'gpuledger-plan', 'v': tag_plan}
            ],
            lambda tag: tag.v is not null
        )))::varchar,
        '{}'
    ) as "Tags",
    gpu_id as "x_GpuId",
    gpu_hours as "x_GpuHours",
    usd_from as "x_UsdFrom"
from actual_charge
where usd is not null
order by started_at, provider

-- grain: one row per charge that counts and has dollars, in the columns of FOCUS 1.2 (Cost and Usage)
-- Ids of accounts and resources are this home's hashes, and stand for names too; what was priced from the ledger says so
-- in x_UsdFrom. What the bill does not tell of a charge is one unit of `Charges`, at its cost.
with charged as (
    select
        *,
        case
            -- a purchase is paid for future charges, so it costs nothing itself; a fee, and what of it stood unused, does
            when category = 'purchase' and usd <> 0 then 'Usage'
            when category in ('usage', 'purchase', 'tax', 'credit') then upper(category[1]) || category[2:]
            else 'Adjustment'
        end as charge_category,
        -- a charge for nothing, or one that gives back: what it corrects is not told, and no unit has a negative price
        coalesce(quantity, 0) <> 0 and usd / quantity >= 0 and coalesce(list_usd, billed_usd, usd) / quantity >= 0 as is_counted,
        purchase_option = 'reserved' and (category = 'usage' or is_unused and usd <> 0) as is_committed,
        case
            when category = 'tax' then 'Tax'
            when kind in ('gpu', 'compute') then concat_ws(' ', service, 'compute')
            when kind in ('storage', 'network') then concat_ws(' ', service, kind)
            else concat_ws(' ', service, 'other')
        end as service_name,
        case kind
            when 'gpu' then 'Compute'
            when 'compute' then 'Compute'
            when 'storage' then 'Storage'
            when 'network' then 'Networking'
            else 'Other'
        end as service_group,
        coalesce(instance_type, gpu_id, service, kind) as sku
    from actual_charge
    where usd is not null
),

counted as (
    select
        *,
        charge_category in ('Usage', 'Purchase') and not is_counted and (usd < 0 or coalesce(list_usd, billed_usd, usd) < 0)
            as is_correction,
        if(is_counted, quantity, 1) as priced_quantity,
        if(
            is_counted,
            case
                when unit in ('hours', 'hour', 'hrs', 'hr', 'h', 'instance-hours', '1 hour') then 'Hours'
                when unit in ('seconds', 'second', 's') then 'Seconds'
                when unit in ('minutes', 'minute', 'min') then 'Minutes'
                when unit in ('days', 'day') then 'Days'
                when unit in ('months', 'month', 'mo') then 'Months'
                when regexp_matches(unit, '^gpu[-_ ]hours?$') then 'GPU-Hours'
                when regexp_matches(unit, '^gpu[-_ ]minutes?$') then 'GPU-Minutes'
                when regexp_matches(unit, '^gpu[-_ ]seconds?$') then 'GPU-Seconds'
                when unit in ('gb', 'gib', 'tb', 'tib', 'mb', 'mib') then replace(upper(unit), 'I', 'i')
                when regexp_matches(unit, '^gb[-_ ](mo|months?)$') then 'GB-Months'
                when regexp_matches(unit, '^gib[-_ ](mo|months?)$') then 'GiB-Months'
                when regexp_matches(unit, '^gb[-_ ]hours?$') then 'GB-Hours'
                else 'Units'
            end,
            'Charges'
        ) as priced_unit,
        coalesce(list_usd, billed_usd, usd) as list_cost
    from charged
)

select
    zone as "AvailabilityZone",
    coalesce(billed_usd, usd)::decimal(18, 9) as "BilledCost",
    coalesce(account, 'not given') as "BillingAccountId",
    coalesce(account, 'not given') as "BillingAccountName",
    'Account' as "BillingAccountType",
    'USD' as "BillingCurrency",
    strftime(date_trunc('month', started_at) + interval 1 month, '%Y-%m-%dT%H:%M:%SZ') as "BillingPeriodEnd",
    strftime(date_trunc('month', started_at), '%Y-%m-%dT%H:%M:%SZ') as "BillingPeriodStart",
    null::varchar as "CapacityReservationId",
    null::varchar as "CapacityReservationStatus",
    charge_category as "ChargeCategory",
    if(is_correction, 'Correction', null) as "ChargeClass",
    concat_ws(' ', service_name, instance_type) as "ChargeDescription",
    case charge_category when 'Usage' then 'Usage-Based' when 'Purchase' then 'Recurring' else 'One-Time' end as "ChargeFrequency",
    strftime(ended_at, '%Y-%m-%dT%H:%M:%SZ') as "ChargePeriodEnd",
    strftime(started_at, '%Y-%m-%dT%H:%M:%SZ') as "ChargePeriodStart",
    if(is_committed, 'Usage', null) as "CommitmentDiscountCategory",
    if(is_committed, 'not given', null) as "CommitmentDiscountId",
    null::varchar as "CommitmentDiscountName",
    if(is_committed, priced_quantity, null)::decimal(30, 9) as "CommitmentDiscountQuantity",
    if(is_committed, if(is_unused, 'Unused', 'Used'), null) as "CommitmentDiscountStatus",
    if(is_committed, 'not given', null) as "CommitmentDiscountType",
    if(is_committed, priced_unit, null) as "CommitmentDiscountUnit",
    if(charge_category = 'Usage' and not is_unused, priced_quantity, null)::decimal(30, 9) as "ConsumedQuantity",
    if(charge_category = 'Usage' and not is_unused, priced_unit, null) as "ConsumedUnit",
    usd::decimal(18, 9) as "ContractedCost",
    if(charge_category in ('Usage', 'Purchase') and not is_correction, usd::double / priced_quantity, null) as "ContractedUnitPrice",
    usd::decimal(18, 9) as "EffectiveCost",
    null::varchar as "InvoiceId",
    provider as "InvoiceIssuerName",
    list_cost::decimal(18, 9) as "ListCost",
    if(charge_category in ('Usage', 'Purchase') and not is_correction, list_cost::double / priced_quantity, null) as "ListUnitPrice",
    case
        when charge_category = 'Tax' then null
        when is_committed then 'Committed'
        when purchase_option = 'spot' then 'Dynamic'
        when purchase_option = 'on_demand' then 'Standard'
        else 'Other'
    end as "PricingCategory",
    'USD' as "PricingCurrency",
    if(charge_category in ('Usage', 'Purchase') and not is_correction, usd::double / priced_quantity, null)
        as "PricingCurrencyContractedUnitPrice",
    usd::decimal(18, 9) as "PricingCurrencyEffectiveCost",
    if(charge_category in ('Usage', 'Purchase') and not is_correction, list_cost::double / priced_quantity, null)
        as "PricingCurrencyListUnitPrice",
    if(charge_category = 'Tax', null, priced_quantity)::decimal(30, 9) as "PricingQuantity",
    if(charge_category = 'Tax', null, priced_unit) as "PricingUnit",
    provider as "ProviderName",
    provider as "PublisherName",
    region as "RegionId",
    region as "RegionName",
    resource as "ResourceId",
    null::varchar as "ResourceName",
    if(resource is null, null, case kind when 'gpu' then 'Machine' when 'compute' then 'Machine' else 'Resource' end) as "ResourceType",
    service_group as "ServiceCategory",
    service_name as "ServiceName",
    case service_group when 'Compute' then 'Virtual Machines' else 'Other (' || service_group || ')' end as "ServiceSubcategory",
    if(charge_category = 'Tax', null, sku) as "SkuId",
    if(charge_category = 'Tax', null, sku) as "SkuMeter",
    if(charge_category = 'Tax' or instance_type is null, null, to_json({'InstanceType': instance_type})::varchar) as "SkuPriceDetails",
    if(charge_category = 'Tax', null, concat_ws(':', sku, purchase_option)) as "SkuPriceId",
    sub_account as "SubAccountId",
    sub_account as "SubAccountName",
    if(sub_account is null, null, 'Account') as "SubAccountType",
    nullif(
        to_json(map_from_entries(list_filter(
            [
                {'k': 'gpuledger-quote', 'v': tag_quote}, {'k': 'gpuledger-plan', 'v': tag_plan}
            ],
            lambda tag: tag.v is not null
        )))::varchar,
        '{}'
    ) as "Tags",
    category as "x_Category",
    gpu_id as "x_GpuId",
    gpu_hours as "x_GpuHours",
    quantity as "x_Quantity",
    unit as "x_Unit",
    usd_from as "x_UsdFrom"
from counted
order by started_at, provider

-- grain: one row per row of a bill in the columns of FOCUS 1.0 to 1.3, and of exports in its form
select
    coalesce(service_provider_name, provider_name, host_provider_name, publisher_name, invoice_issuer_name) as provider_name,
    billing_account_id as account,
    sub_account_id as sub_account,
    plain_time(charge_period_start) as started_at,
    plain_time(charge_period_end) as ended_at,
    coalesce(lower(charge_category), 'usage') as category,
    coalesce(commitment_discount_status, capacity_reservation_status) = 'Unused' as is_unused,
    service_category,
    service_name as service,
    coalesce(
        json_extract_string(try_cast(sku_price_details as json), '$.InstanceType'),
        json_extract_string(try_cast(x_sku_details as json), '$.InstanceType'),
        x_instance_type
    ) as machine_text,
    concat_ws(' ; ', x_sku_meter_name, sku_meter, x_usage_type) as meter_text,
    concat_ws(' ; ', x_sku_description, charge_description, resource_type, resource_name, sku_id) as other_text,
    region_id as region,
    availability_zone as zone,
    resource_id as resource,
    coalesce(consumed_quantity, pricing_quantity) as quantity_text,
    null::varchar as gpus_text,
    coalesce(if(consumed_quantity is null, null, consumed_unit), pricing_unit, consumed_unit) as unit,
    case
        when pricing_category = 'Dynamic' then 'spot'
        when pricing_category = 'Committed' or commitment_discount_id is not null then 'reserved'
        when pricing_category = 'Standard' then 'on_demand'
    end as purchase_option,
    coalesce(upper(trim(billing_currency)), 'USD') as currency,
    list_cost as list_text,
    billed_cost as billed_text,
    coalesce(effective_cost, billed_cost) as effective_text,
    coalesce(tags, allocated_tags) as tags
from bill

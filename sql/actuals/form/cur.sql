-- grain: one row per row of a cost and usage report of AWS (CUR 2.0, and the one before)
-- What a row comes to once commitments are spread over what they cover, as AWS says it of its reports: usage under a
-- savings plan or a reservation has the effective cost, what of them stood unused is their own row, fees paid ahead are 0.
select
    'aws' as provider_name,
    bill_payer_account_id as account,
    line_item_usage_account_id as sub_account,
    plain_time(line_item_usage_start_date) as started_at,
    plain_time(line_item_usage_end_date) as ended_at,
    case
        when line_item_line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') then 'usage'
        when line_item_line_item_type = 'Tax' then 'tax'
        when line_item_line_item_type in ('Credit', 'Refund') then 'credit'
        when line_item_line_item_type in ('RIFee', 'Fee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee') then 'purchase'
        else 'adjustment'
    end as category,
    line_item_line_item_type in ('RIFee', 'SavingsPlanRecurringFee') as is_unused,
    case
        when line_item_usage_type ilike '%DataTransfer%' or line_item_usage_type ilike '%-Bytes' then 'Networking'
        when line_item_usage_type ilike '%EBS:%' or line_item_usage_type ilike '%TimedStorage%'
            or product_product_family ilike 'Storage%' then 'Storage'
        when line_item_usage_type ilike '%BoxUsage%' or line_item_usage_type ilike '%SpotUsage%'
            or line_item_usage_type ilike '%HeavyUsage%' or product_product_family ilike 'Compute Instance%'
            or product_instance_type is not null then 'Compute'
    end as service_category,
    line_item_product_code as service,
    coalesce(product_instance_type, json_extract_string(try_cast(product as json), '$.instance_type')) as machine_text,
    line_item_usage_type as meter_text,
    concat_ws(' ; ', line_item_line_item_description, product_sku) as other_text,
    coalesce(product_region_code, product_region) as region,
    null::varchar as zone,
    line_item_resource_id as resource,
    line_item_usage_amount as quantity_text,
    null::varchar as gpus_text,
    pricing_unit as unit,
    case
        when line_item_usage_type ilike '%SpotUsage%' then 'spot'
        when line_item_line_item_type in ('DiscountedUsage', 'SavingsPlanCoveredUsage', 'RIFee', 'SavingsPlanRecurringFee')
            or pricing_term = 'Reserved' then 'reserved'
        else 'on_demand'
    end as purchase_option,
    coalesce(upper(trim(line_item_currency_code)), 'USD') as currency,
    pricing_public_on_demand_cost as list_text,
    coalesce(line_item_net_unblended_cost, line_item_unblended_cost) as billed_text,
    case
        when line_item_line_item_type = 'SavingsPlanCoveredUsage'
            then coalesce(savings_plan_savings_plan_effective_cost, 'not in the report')
        when line_item_line_item_type = 'DiscountedUsage' then coalesce(reservation_effective_cost, 'not in the report')
        when line_item_line_item_type in ('SavingsPlanNegation', 'SavingsPlanUpfrontFee') then '0'
        when line_item_line_item_type = 'Fee' and reservation_reservation_a_r_n is not null then '0'
        when line_item_line_item_type = 'SavingsPlanRecurringFee'
            then coalesce(
                (
                    try_cast(savings_plan_total_commitment_to_date as decimal(24, 9))
                    - try_cast(savings_plan_used_commitment as decimal(24, 9))
                )::varchar,
                'not in the report'
            )
        when line_item_line_item_type = 'RIFee'
            then (
                coalesce(try_cast(reservation_unused_amortized_upfront_fee_for_billing_period as decimal(24, 9)), 0)
                + coalesce(try_cast(reservation_unused_recurring_fee as decimal(24, 9)), 0)
            )::varchar
        else coalesce(line_item_net_unblended_cost, line_item_unblended_cost)
    end as effective_text,
    resource_tags as tags
from bill

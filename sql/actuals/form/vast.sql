-- grain: one row per charge of Vast's invoices; US dollars; hours and their rate where it is GPU time
select
    'vast' as provider_name,
    null::varchar as account,
    null::varchar as sub_account,
    to_timestamp(try_cast("timestamp" as double)) as started_at,
    to_timestamp(try_cast("timestamp" as double))
    + to_seconds(if("description" ilike '%gpu%', coalesce(try_cast(quantity as double), 0) * 3600, 1)) as ended_at,
    case lower("type") when 'charge' then 'usage' when 'payment' then 'payment' else 'not known' end as category,
    false as is_unused,
    case
        when "description" ilike '%storage%' or "description" ilike '%disk%' then 'Storage'
        when "description" ilike '%bandwidth%' or "description" ilike '%upload%' or "description" ilike '%download%'
            then 'Networking'
        else 'Compute'
    end as service_category,
    'instances' as service,
    null::varchar as machine_text,
    null::varchar as meter_text,
    "description" as other_text,
    null::varchar as region,
    null::varchar as zone,
    instance_id as resource,
    quantity as quantity_text,
    null::varchar as gpus_text,
    if("description" ilike '%gpu%', 'hours', 'units') as unit,
    null::varchar as purchase_option,
    'USD' as currency,
    null::varchar as list_text,
    amount as billed_text,
    amount as effective_text,
    null::varchar as tags
from bill

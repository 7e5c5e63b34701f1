-- grain: one row per row of a table whose columns have the usual names; the provider is told with the command
select
    null::varchar as provider_name,
    coalesce(account_id, account) as account,
    project as sub_account,
    plain_time(coalesce(start_time, started_at, usage_start, start_date, "start", "from", "time", "timestamp", "date", "day")) as started_at,
    coalesce(
        plain_time(coalesce(end_time, ended_at, usage_end, end_date, "end", "to")),
        plain_time(coalesce(start_time, started_at, usage_start, start_date, "start", "from", "time", "timestamp", "date", "day")) + to_seconds(3600 * coalesce(
            try_cast(plain_number(coalesce(hours, duration_hours)) as double),
            hours_of(try_cast(plain_number(coalesce(quantity, "usage")) as double), lower(coalesce(unit, units, 'hours'))),
            0
        ))
    ) as ended_at,
    'usage' as category,
    false as is_unused,
    case
        when regexp_matches(coalesce(resource_type, product, sku, item, "description", "name"), 'storage|disk|filesystem|volume', 'i') then 'Storage'
        when regexp_matches(coalesce(resource_type, product, sku, item, "description", "name"), '\b(egress|ingress|traffic|transfer|bandwidth)\b', 'i') then 'Networking'
        when regexp_matches(coalesce(resource_type, product, sku, item, "description", "name"), '\b(tax|vat)\b', 'i') then 'Tax'
        else 'Compute'
    end as service_category,
    coalesce(product, resource_type) as service,
    coalesce(instance_type, machine_type, gpu_type, gpu) as machine_text,
    coalesce(sku, product, item, "instance") as meter_text,
    coalesce("description", resource_type, "name") as other_text,
    coalesce(region, "location") as region,
    "zone" as zone,
    coalesce(instance_id, resource_id, resource) as resource,
    coalesce(hours, duration_hours, quantity, "usage", amount_used) as quantity_text,
    coalesce(gpu_count, gpus) as gpus_text,
    coalesce(unit, units, if(hours is not null or duration_hours is not null, 'hours', null), 'hours') as unit,
    null::varchar as purchase_option,
    coalesce(upper(trim(currency)), 'USD') as currency,
    null::varchar as list_text,
    coalesce(
        cost_usd, amount_usd, usd, total_cost, total, "cost", amount,
        (
            plain_amount(coalesce(unit_price, rate, price))::double
            * try_cast(plain_number(coalesce(hours, duration_hours, quantity, "usage")) as double)
        )::decimal(24, 9)::varchar,
        (
            plain_amount(price_per_hour)::double
            * coalesce(
                try_cast(plain_number(coalesce(hours, duration_hours)) as double),
                hours_of(try_cast(plain_number(coalesce(quantity, "usage")) as double), lower(coalesce(unit, units, 'hours')))
            )
        )::decimal(24, 9)::varchar,
        -- a price that cannot be read is no reason to take another
        coalesce(unit_price, rate, price, price_per_hour)
    ) as billed_text,
    null::varchar as effective_text,
    tags
from bill

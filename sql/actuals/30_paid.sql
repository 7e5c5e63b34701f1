-- grain: one row per charge that was taken, with its machine, GPU-hours and US dollars
-- A charge without dollars is priced from the ledger: the on-demand price of the machine (else of its accelerator) at that
-- provider, in force when the charge began; the first known price where none was yet. Without any it stays without: never 0.
create or replace temp table paid as
with named as (
    select
        charge.* exclude (refused),
        machine.instance_type,
        machine.gpu_id,
        machine.gpu_count,
        coalesce(machine.is_spot, false) as is_spot,
        hours_of(quantity, unit) as instance_hours,
        case
            when unit in ('gpu-hours', 'gpu-hour', 'gpu hours', 'gpu_hours', 'gpu hour') then quantity
            when unit in ('gpu-minutes', 'gpu-minute', 'gpu minutes', 'gpu_minutes', 'gpu minute') then quantity / 60
            when unit in ('gpu-seconds', 'gpu-second', 'gpu seconds', 'gpu_seconds', 'gpu second') then quantity / 3600
        end as counted_gpu_hours
    from charge
    left join machine
        on charge.provider = machine.provider
        and charge.machine_text is not distinct from machine.machine_text
        and charge.meter_text is not distinct from machine.meter_text
        and charge.other_text is not distinct from machine.other_text
    where charge.refused is null
),

kinds as (
    select
        named.*,
        case
            when category = 'tax' or service_category = 'Tax' then 'tax'
            when category in ('credit', 'adjustment') then category
            when service_category = 'Storage' then 'storage'
            when service_category in ('Networking', 'Network') then 'network'
            when gpu_id is not null then 'gpu'
            when service_category in ('Compute', 'AI and Machine Learning') then 'compute'
            else 'other'
        end as kind,
        coalesce(counted_gpu_hours, instance_hours * coalesce(gpus_told, gpu_count, 1)) as gpu_hours
    from named
),

unpriced as (
    select provider, instance_type, gpu_id, gpu_hours, started_at
    from kinds
    where effective_usd is null and gpu_hours is not null and gpu_id is not null
),

wanted as (
    select distinct provider, instance_type, gpu_id, started_at from unpriced
),

priced as (
    select
        wanted.*,
        (
            select
                arg_min(
                    price.usd_per_gpu_hour,
                    (
                        price.instance_type is distinct from wanted.instance_type,
                        price.valid_from > wanted.started_at,
                        abs(epoch(price.valid_from) - epoch(wanted.started_at)),
                        price.usd_per_gpu_hour
                    )
                )
            from ledger_price as price
            where
                price.provider = wanted.provider and price.gpu_id = wanted.gpu_id
        ) as usd_per_gpu_hour
    from wanted
)

select
    kinds.* exclude (machine_text, meter_text, other_text, gpus_told, instance_hours, counted_gpu_hours, is_spot, purchase_option),
    coalesce(purchase_option, if(is_spot, 'spot', null)) as purchase_option,
    if(kind in ('gpu', 'compute'), gpu_hours, null) as hours,
    coalesce(effective_usd, (kinds.gpu_hours * priced.usd_per_gpu_hour)::decimal(18, 9)) as usd,
    case
        when effective_usd is not null then 'bill'
        when priced.usd_per_gpu_hour is not null then 'ledger'
    end as usd_from,
    $imported_at::timestamptz as imported_at
from kinds
left join priced
    on effective_usd is null
    and kinds.provider = priced.provider
    and kinds.gpu_id = priced.gpu_id
    and kinds.instance_type is not distinct from priced.instance_type
    and kinds.started_at = priced.started_at

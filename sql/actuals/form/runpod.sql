-- grain: one row per record of RunPod's billing history of pods, serverless or volumes; US dollars
select
    'runpod' as provider_name,
    null::varchar as account,
    null::varchar as sub_account,
    plain_time(coalesce("time", start_time, bucket_start)) as started_at,
    coalesce(
        plain_time(end_time),
        plain_time(coalesce("time", start_time, bucket_start))
        + to_milliseconds(greatest(try_cast(time_billed_ms as bigint), 1))
    ) as ended_at,
    'usage' as category,
    false as is_unused,
    if(pod_id is null and gpu_type_id is null and endpoint_id is null, 'Storage', 'Compute') as service_category,
    case
        when endpoint_id is not null then 'serverless'
        when pod_id is null and gpu_type_id is null then 'volumes'
        else 'pods'
    end as service,
    coalesce(gpu_type_id, gpu_id) as machine_text,
    null::varchar as meter_text,
    null::varchar as other_text,
    null::varchar as region,
    null::varchar as zone,
    coalesce(pod_id, endpoint_id, network_volume_id) as resource,
    (try_cast(time_billed_ms as double) / 3600000)::varchar as quantity_text,
    gpu_count as gpus_text,
    if(time_billed_ms is null, null, 'hours') as unit,
    null::varchar as purchase_option,
    'USD' as currency,
    null::varchar as list_text,
    coalesce(amount, total_amount) as billed_text,
    coalesce(amount, total_amount) as effective_text,
    null::varchar as tags
from bill

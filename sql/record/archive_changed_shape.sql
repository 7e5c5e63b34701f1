-- grain: one updated row in offer per known identity of which this list has the newest shape, and another one
-- parameters: source varchar
update offer
set
    instance_type = newest.instance_type,
    gpu_id = newest.gpu_id,
    gpu_memory_gib = newest.gpu_memory_gib,
    vcpus = newest.vcpus,
    memory_gib = newest.memory_gib,
    local_storage_gb = newest.local_storage_gb,
    network = newest.network,
    min_gpus = newest.min_gpus,
    max_gpus = newest.max_gpus,
    billing_increment_seconds = newest.billing_increment_seconds,
    minimum_billing_seconds = newest.minimum_billing_seconds
from (
    select seen.*
    from seen_arrow as seen
    where seen.amount is not null
    qualify row_number() over (partition by seen.offer_id order by seen.observed_at desc, seen.position) = 1
) as newest
inner join offer_current on offer_current.source = $source::varchar and newest.offer_id = offer_current.offer_id
where offer.offer_no = offer_current.offer_no and newest.observed_at >= offer_current.changed_at;

-- grain: one updated row in offer per known identity whose shape (not its terms) is published differently now
update offer
set
    instance_type = seen.instance_type,
    gpu_id = seen.gpu_id,
    gpu_memory_gib = seen.gpu_memory_gib,
    vcpus = seen.vcpus,
    memory_gib = seen.memory_gib,
    local_storage_gb = seen.local_storage_gb,
    network = seen.network,
    min_gpus = seen.min_gpus,
    max_gpus = seen.max_gpus,
    billing_increment_seconds = seen.billing_increment_seconds,
    minimum_billing_seconds = seen.minimum_billing_seconds
from seen_arrow as seen, difference
where difference.is_shape_change and seen.position = difference.position and offer.offer_no = difference.offer_no;

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
from seen
where
    offer.source = seen.source
    and offer.offer_id = seen.offer_id
    and hash(
        offer.instance_type, offer.gpu_id, offer.gpu_memory_gib, offer.vcpus, offer.memory_gib,
        offer.local_storage_gb, offer.network, offer.min_gpus, offer.max_gpus,
        offer.billing_increment_seconds, offer.minimum_billing_seconds
    ) <> hash(
        seen.instance_type, seen.gpu_id, seen.gpu_memory_gib, seen.vcpus, seen.memory_gib,
        seen.local_storage_gb, seen.network, seen.min_gpus, seen.max_gpus,
        seen.billing_increment_seconds, seen.minimum_billing_seconds
    );

-- grain: one updated row in offer per known offer to which a new run gave another shape
update offer
set
    instance_type = new_shape.instance_type,
    gpu_memory_gib = new_shape.gpu_memory_gib,
    vcpus = new_shape.vcpus,
    memory_gib = new_shape.memory_gib,
    local_storage_gb = new_shape.local_storage_gb,
    network = new_shape.network,
    min_gpus = new_shape.min_gpus,
    max_gpus = new_shape.max_gpus,
    billing_increment_seconds = new_shape.billing_increment_seconds,
    minimum_billing_seconds = new_shape.minimum_billing_seconds
from new_shape
where offer.offer_no = new_shape.offer_no;

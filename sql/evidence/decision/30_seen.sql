-- grain: one row per accepted price, as a batch would show it
-- parameters: state varchar (accepted or rejected), run_no integer
select
    cast(row_number() over (order by decided.offer_id) - 1 as integer) as position,
    decided.gpu_id,
    answer.document_no,
    decided.instance_type,
    decided.offer_id,
    decided.provider,
    decided.via,
    decided.sku,
    decided.region,
    decided.zone,
    decided.tier,
    decided.gpu_label,
    decided.gpu_count,
    decided.purchase_option,
    decided.term_months,
    decided.payment,
    decided.operating_system,
    null::timestamptz as observed_at,
    decided.gpu_memory_gib,
    decided.vcpus,
    decided.memory_gib,
    decided.local_storage_gb,
    decided.network,
    decided.min_gpus,
    decided.max_gpus,
    decided.billing_increment_seconds,
    decided.minimum_billing_seconds,
    decided.amount,
    decided.upfront_amount,
    decided.currency,
    decided.unit,
    decided.effective_at,
    decided.availability
from decided
inner join (
    select sha256, min(document_no) as document_no from document where run_no = $run_no::integer group by sha256
) as answer on decided.document_sha256 = answer.sha256
where decided.amount is not null and $state::varchar = 'accepted'
order by decided.offer_id;

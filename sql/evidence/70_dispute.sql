-- grain: one appended row per claim that is disputed for the first time, confirmed or claimed no more
-- parameters: source varchar, observed_at timestamptz, run_no integer; reads the claims' rows of the batch as claimed_arrow
insert into disputed_price by name
with last_run as (
    select max(observed_at) as run_at from scrape_run where source = $source::varchar and outcome = 'accepted'
)

select
    $observed_at::timestamptz as observed_at,
    $source::varchar as source,
    event.offer_id,
    event.state,
    if(claim.claim in ('none', 'absence') and claim.open_claim is not null and event.state <> 'disputed',
        claim.open_claim, claim.claim) as claim,
    if(event.state = 'disputed', $observed_at::timestamptz, claim.open_since_at) as since_at,
    event.evidence,
    try_cast(claimed.usd as decimal(18, 6)) as usd_per_gpu_hour,
    try_cast(claimed.believed_usd as decimal(18, 6)) as believed_usd_per_gpu_hour,
    case
        when claim.claim = 'new' then null
        when claim.claim = 'return' then claim.believed_changed_at
        else coalesce(claim.open_believed_seen_at, last_run.run_at)
    end as believed_seen_at,
    event.is_left_to_operator,
    coalesce(gone.provider, seen.provider) as provider,
    coalesce(gone.via, seen.via) as via,
    coalesce(gone.sku, seen.sku) as sku,
    coalesce(gone.instance_type, seen.instance_type) as instance_type,
    coalesce(gone.region, seen.region) as region,
    coalesce(gone.zone, seen.zone) as zone,
    coalesce(gone.tier, seen.tier) as tier,
    coalesce(gone.gpu_label, seen.gpu_label) as gpu_label,
    coalesce(gone.gpu_count, seen.gpu_count) as gpu_count,
    coalesce(gone.purchase_option, seen.purchase_option) as purchase_option,
    coalesce(gone.term_months, seen.term_months) as term_months,
    coalesce(gone.payment, seen.payment) as payment,
    coalesce(gone.operating_system, seen.operating_system) as operating_system,
    coalesce(gone.gpu_id, seen.gpu_id) as gpu_id,
    coalesce(gone.gpu_memory_gib, seen.gpu_memory_gib) as gpu_memory_gib,
    coalesce(gone.vcpus, seen.vcpus) as vcpus,
    coalesce(gone.memory_gib, seen.memory_gib) as memory_gib,
    coalesce(gone.local_storage_gb, seen.local_storage_gb) as local_storage_gb,
    coalesce(gone.network, seen.network) as network,
    coalesce(gone.min_gpus, seen.min_gpus) as min_gpus,
    coalesce(gone.max_gpus, seen.max_gpus) as max_gpus,
    coalesce(gone.billing_increment_seconds, seen.billing_increment_seconds) as billing_increment_seconds,
    coalesce(gone.minimum_billing_seconds, seen.minimum_billing_seconds) as minimum_billing_seconds,
    seen.amount,
    seen.upfront_amount,
    seen.currency,
    seen.unit,
    seen.effective_at,
    seen.availability,
    document.sha256 as document_sha256,
    document.url as source_url,
    $run_no::integer as run_no
from event
inner join claim on event.offer_id = claim.offer_id
inner join claimed on event.offer_id = claimed.offer_id
left join claimed_arrow as seen on claim.position = seen.position
left join offer as gone on if(claim.position is null, claim.offer_no, null) = gone.offer_no
left join document on seen.document_no = document.document_no
cross join last_run;

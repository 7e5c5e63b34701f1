-- grain: one appended row per claim that is disputed for the first time, confirmed or claimed no more
-- parameters: source varchar, observed_at timestamptz, run_no integer; reads event, whole claims
insert into disputed_price by name
with last_run as (
    select max(observed_at) as run_at from scrape_run where source = $source::varchar and outcome = 'accepted'
)

select
    $observed_at::timestamptz as observed_at,
    $source::varchar as source,
    event.offer_id,
    event.state,
    if(event.claim in ('none', 'absence') and event.open_claim is not null and event.state <> 'disputed',
        event.open_claim, event.claim) as claim,
    if(event.state = 'disputed', $observed_at::timestamptz, event.open_since_at) as since_at,
    event.evidence,
    try_cast(event.usd as decimal(18, 6)) as usd_per_gpu_hour,
    try_cast(event.believed_usd as decimal(18, 6)) as believed_usd_per_gpu_hour,
    case
        when event.claim = 'new' then null
        when event.claim = 'return' then event.believed_changed_at
        else coalesce(event.open_believed_seen_at, last_run.run_at)
    end as believed_seen_at,
    event.is_left_to_operator,
    event.provider,
    event.via,
    event.sku,
    event.instance_type,
    event.region,
    event.zone,
    event.tier,
    event.gpu_label,
    event.gpu_count,
    event.purchase_option,
    event.term_months,
    event.payment,
    event.operating_system,
    event.gpu_id,
    event.gpu_memory_gib,
    event.vcpus,
    event.memory_gib,
    event.local_storage_gb,
    event.network,
    event.min_gpus,
    event.max_gpus,
    event.billing_increment_seconds,
    event.minimum_billing_seconds,
    event.amount,
    event.upfront_amount,
    event.currency,
    event.unit,
    event.effective_at,
    event.availability,
    document.sha256 as document_sha256,
    document.url as source_url,
    $run_no::integer as run_no
from event
left join document on event.document_no = document.document_no
cross join last_run;

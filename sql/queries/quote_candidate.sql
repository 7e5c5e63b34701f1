-- grain: one row per offer that may be quoted, best lower bound of its total first
-- parameters: bounds varchar and states varchar as quote_floor.sql takes them; max_rows, skip_rows
with ranked as (
    select * from quote_floor($bounds, $states)
    order by misses, state_class, floor_usd, price_id
    limit $max_rows offset $skip_rows
)

select
    ranked.state_class, ranked.misses, ranked.floor_usd,
    offer.price_id, offer.offer_id, offer.source, offer.source_kind, offer.provider, offer.via, offer.sku, offer.instance_type, offer.region, offer.zone, offer.country, offer.continent,
    offer.tier, offer.gpu_label, offer.gpu_id, offer.gpu_name, offer.gpu_vendor, offer.gpu_count, offer.gpu_memory_gib, offer.vcpus, offer.memory_gib, offer.local_storage_gb,
    offer.network, offer.min_gpus, offer.max_gpus, offer.billing_increment_seconds, offer.minimum_billing_seconds, offer.purchase_option, offer.term_months,
    offer.payment, offer.operating_system, offer.availability, offer.is_unlisted, offer.is_recorded, offer.amount, offer.upfront_amount, offer.currency, offer.unit,
    offer.upfront_usd, offer.usd_per_hour, offer.usd_per_gpu_hour, offer.effective_at, offer.valid_from, offer.last_seen_at, offer.fresh_until, offer.lapses_at,
    offer.check_source,
    document_sha256, offer.source_url, offer.parser_version
-- by its place, so that only the blocks of the chosen rows are read
from on_sale as offer
inner join ranked on offer.row_no = ranked.row_no
order by ranked.misses, ranked.state_class, ranked.floor_usd, ranked.price_id;

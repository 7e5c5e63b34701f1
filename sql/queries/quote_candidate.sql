-- grain: one row per offer of a list, with all that a quote says of it
-- parameters: rows varchar, values of row_no parted by commas; reads the temporary view `on_sale`
select
    offer.row_no,
    offer.price_id, offer.offer_id, offer.source, offer.source_kind, offer.provider, offer.via, offer.sku, offer.instance_type, offer.region, offer.zone, offer.country, offer.continent,
    offer.tier, offer.gpu_label, offer.gpu_id, offer.gpu_name, offer.gpu_vendor, offer.gpu_count, offer.gpu_memory_gib, offer.vcpus, offer.memory_gib, offer.local_storage_gb,
    offer.network, offer.min_gpus, offer.max_gpus, offer.billing_increment_seconds, offer.minimum_billing_seconds, offer.purchase_option, offer.term_months,
    offer.payment, offer.operating_system, offer.availability, offer.is_unlisted, offer.is_recorded, offer.amount, offer.upfront_amount, offer.currency, offer.unit,
    offer.upfront_usd, offer.usd_per_hour, offer.usd_per_gpu_hour, offer.effective_at, offer.valid_from, offer.last_seen_at, offer.fresh_until, offer.lapses_at,
    offer.check_source,
    document_sha256, offer.source_url, offer.parser_version
-- by its place, so that only the blocks of these rows are read
from on_sale as offer
inner join (select unnest(string_split($rows, ',')::bigint[]) as row_no) as chosen on offer.row_no = chosen.row_no;

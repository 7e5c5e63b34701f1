-- grain: one row per offer on sale, at the variable as_of (null: now) and after the filters
-- The variable, not a parameter: DuckDB folds it while planning and so leaves out the branch that is not meant.
-- parameters: gpu_ids varchar[], providers varchar[], region varchar, tiers varchar[], purchase_options varchar[],
--             sources varchar[], min_count integer, max_count integer, min_gpu_memory_gib double,
--             max_usd_per_gpu_hour decimal, max_rows integer (null lists and values: no filter)
with candidate as (
    select * from offer_latest where getvariable('as_of') is null
    union all by name
    select * from offers_as_of(getvariable('as_of')::timestamptz) where getvariable('as_of') is not null
)

select
    price_id, offer_id, source, source_kind, provider, via, sku, instance_type, region, zone, country, continent,
    tier, gpu_label, gpu_id, gpu_name, gpu_count, gpu_memory_gib, vcpus, memory_gib, network, min_gpus, max_gpus,
    billing_increment_seconds, minimum_billing_seconds, purchase_option, term_months, payment, operating_system,
    availability, is_unlisted, amount, upfront_amount, currency, unit, upfront_usd, usd_per_hour, usd_per_gpu_hour,
    effective_at, valid_from, last_seen_at, fresh_until, document_sha256, source_url, parser_version
from candidate
where
    ($gpu_ids::varchar[] is null or list_contains($gpu_ids::varchar[], gpu_id))
    and ($providers::varchar[] is null or list_contains($providers::varchar[], provider))
    and (
        $region::varchar is null
        or lower(region) = lower($region::varchar)
        or country = upper($region::varchar)
        or continent = upper($region::varchar)
    )
    and ($tiers::varchar[] is null or list_contains($tiers::varchar[], tier))
    and ($purchase_options::varchar[] is null or list_contains($purchase_options::varchar[], purchase_option))
    and ($sources::varchar[] is null or list_contains($sources::varchar[], source))
    and ($min_count::integer is null or gpu_count >= $min_count::integer)
    and ($max_count::integer is null or gpu_count <= $max_count::integer)
    and ($min_gpu_memory_gib::double is null or gpu_memory_gib >= $min_gpu_memory_gib::double)
    and (
        $max_usd_per_gpu_hour::decimal(18, 6) is null
        or usd_per_gpu_hour <= $max_usd_per_gpu_hour::decimal(18, 6)
    )
order by usd_per_gpu_hour nulls last, usd_per_hour, provider, region, tier, offer_id
limit coalesce($max_rows::integer, 9223372036854775807);

-- grain: one row per offer of the view on_sale (on_sale.sql), after the filters, in the order asked for
-- The one question about offers: of the command line, REST, the page, Python and MCP.
-- parameters: lists as text parted by commas (gpu_ids, gpu_names, vendors, providers, regions, tiers,
--             purchase_options, sources, instance_types, availabilities, states); bounds, null for no filter:
--             min_ and max_ of gpu_count, gpu_memory, total_gpu_memory, cpu, memory, disk_size,
--             compute_capability (double) and of price (decimal, per instance), max_usd_per_gpu_hour decimal;
--             cpu_arch varchar, spot boolean, best_per_provider boolean (of each accelerator, provider and purchase
--             option the first by state and price alone), order_by varchar, descending boolean, skip_rows and
--             max_rows integer (null: all); least_lapsed_since timestamptz (of lapsed prices only the cheapest of each
--             purchase option that was seen since; null: all that match)
with chip as (
    select
        gpu_id as chip_id,
        name as chip_name,
        compute_capability,
        host_cpu,
        bf16_tflops
    from gpu
),

-- What is sold per GPU is shown as the order that is asked for: so many GPUs, and the price of all of them.
ordered as not materialized (
    select
        *,
        cast(order_gpus(gpu_count, min_gpus, max_gpus, $min_gpu_count::double) / gpu_count as decimal(6, 0)) as units
    from on_sale
),

-- Once, and only what decides which offers are shown and in which order: four parts below read it, and each would be planned and
-- computed by itself.
matched as materialized (
    select
        row_no, place_no, offer_id, provider, region, tier, purchase_option, price_state, last_seen_at, usd_per_gpu_hour,
        coalesce(gpu_id, gpu_label) as card,
        (usd_per_hour * units)::double as order_usd_per_hour,
        case $order_by::varchar
            when 'usd_per_gpu_hour' then usd_per_gpu_hour::double
            when 'usd_per_hour' then (usd_per_hour * units)::double
            when 'gpu_count' then (gpu_count * units)::double
            when 'gpu_memory_gib' then gpu_memory_gib::double
            when 'vcpus' then (vcpus * units)::double
            when 'memory_gib' then (memory_gib * units)::double
            when 'last_seen_at' then epoch(last_seen_at)
            when 'usd_per_peak_petaflop_hour' then usd_per_gpu_hour::double / bf16_tflops
            when 'usd_per_gib_hour' then usd_per_gpu_hour::double / gpu_memory_gib::double
        end * if($descending::boolean, -1, 1) as sort_number,
        case $order_by::varchar
            when 'gpu_id' then gpu_id
            when 'provider' then provider
            when 'instance_type' then lower(instance_type)
            when 'region' then lower(region)
            when 'availability' then availability
        end as sort_text,
        if($order_by::varchar = 'best', state_rank(price_state), 0) as sort_state
    from ordered as on_sale
    left join chip on on_sale.gpu_id = chip.chip_id
    where
        ($gpu_ids::varchar is null or list_contains(string_split($gpu_ids::varchar, ','), gpu_id))
        and (
            $gpu_names::varchar is null
            or list_has_any(
                string_split($gpu_names::varchar, ','),
                [lower(gpu_id), lower(chip.chip_name), lower(gpu_label), split_part(lower(gpu_id), '-', 1)]
            )
        )
        and ($vendors::varchar is null or list_contains(string_split($vendors::varchar, ','), gpu_vendor))
        and ($providers::varchar is null or list_contains(string_split($providers::varchar, ','), provider))
        and (
            $regions::varchar is null
            or is_in_place(string_split($regions::varchar, ','), region, country, continent)
        )
        and ($tiers::varchar is null or list_contains(string_split($tiers::varchar, ','), tier))
        and (
            $purchase_options::varchar is null
            or list_contains(string_split($purchase_options::varchar, ','), purchase_option)
        )
        and ($sources::varchar is null or list_contains(string_split($sources::varchar, ','), source))
        and (
            $instance_types::varchar is null
            or list_contains(string_split($instance_types::varchar, ','), lower(instance_type))
        )
        and (
            $availabilities::varchar is null
            or list_contains(string_split($availabilities::varchar, ','), availability)
        )
        and ($states::varchar is null or list_contains(string_split($states::varchar, ','), price_state))
        and ($spot::boolean is null or (purchase_option = 'spot') = $spot::boolean)
        and ($cpu_arch::varchar is null or coalesce(chip.host_cpu, 'x86') = $cpu_arch::varchar)
        and ($min_cpu::double is null or vcpus * units >= $min_cpu::double)
        and ($max_cpu::double is null or vcpus * units <= $max_cpu::double)
        and ($min_memory::double is null or memory_gib * units >= $min_memory::double)
        and ($max_memory::double is null or memory_gib * units <= $max_memory::double)
        and sells_count(gpu_count, min_gpus, max_gpus, $min_gpu_count::double, $max_gpu_count::double)
        and ($min_gpu_memory::double is null or gpu_memory_gib >= $min_gpu_memory::double)
        and ($max_gpu_memory::double is null or gpu_memory_gib <= $max_gpu_memory::double)
        and (
            $min_total_gpu_memory::double is null
            or gpu_memory_gib * gpu_count * units >= $min_total_gpu_memory::double
        )
        and (
            $max_total_gpu_memory::double is null
            or gpu_memory_gib * gpu_count * units <= $max_total_gpu_memory::double
        )
        and ($min_disk_size::double is null or local_storage_gb >= $min_disk_size::double)
        and ($max_disk_size::double is null or local_storage_gb <= $max_disk_size::double)
        and ($min_price::decimal(18, 6) is null or usd_per_hour * units >= $min_price::decimal(18, 6))
        and ($max_price::decimal(18, 6) is null or usd_per_hour * units <= $max_price::decimal(18, 6))
        and (
            $max_usd_per_gpu_hour::decimal(18, 6) is null
            or usd_per_gpu_hour <= $max_usd_per_gpu_hour::decimal(18, 6)
        )
        and (
            $min_compute_capability::double is null
            or chip.compute_capability >= $min_compute_capability::double
        )
        and (
            $max_compute_capability::double is null
            or chip.compute_capability <= $max_compute_capability::double
        )
),

-- A number that holds state, price and place, so that one minimum finds the best of each kind: numbering the rows of
-- 60,000 offers takes four times as long. The places of a snapshot go by price, the newest of equal prices first.
best as materialized (
    select
        min(
            state_rank(price_state)::hugeint * 1000000000000000000000
            + coalesce((usd_per_gpu_hour * 1000000)::hugeint, 999999999999) * 1000000000 + place_no
        ) % 1000000000 as place_no
    from matched
    where $best_per_provider::boolean
    group by card, provider, purchase_option
),

least_lapsed as materialized (
    select arg_min(row_no, (usd_per_gpu_hour, provider, offer_id)) as row_no
    from matched
    where price_state = 'lapsed' and last_seen_at >= $least_lapsed_since::timestamptz and usd_per_gpu_hour is not null
    group by purchase_option
),

chosen as not materialized (
    select *
    from matched
    where
        (not $best_per_provider::boolean or place_no in (select place_no from best))
        and (
            $least_lapsed_since::timestamptz is null
            or price_state <> 'lapsed'
            or row_no in (select row_no from least_lapsed)
        )
),

-- what a spot price is held against
on_demand as (
    select gpu_id, provider, min(usd_per_gpu_hour) as usd_per_gpu_hour
    from on_sale
    where purchase_option = 'on_demand' and gpu_count >= 1 and price_state in ('fresh', 'recorded', 'stale')
    group by gpu_id, provider
),

-- The sort carries places only; the other columns are read of the rows that the page shows.
shown as (
    -- DuckDB numbers rows as they come
    select row_no, row_number() over () as position
    from (
        select *
        from chosen
        order by
            sort_state,
            sort_number nulls last,
            case when not $descending::boolean then sort_text end nulls last,
            case when $descending::boolean then sort_text end desc nulls last,
            usd_per_gpu_hour nulls last, order_usd_per_hour, last_seen_at desc, provider, region, tier, offer_id
        limit coalesce($max_rows::integer, 9223372036854775807) offset $skip_rows::bigint
    )
)

select
    price_id, offer_id, source, source_kind, on_sale.provider, via, sku, instance_type, region, zone, country, continent,
    tier, gpu_label, on_sale.gpu_id, gpu_name, gpu_vendor, gpu_count, gpu_memory_gib, vcpus, memory_gib, local_storage_gb,
    coalesce(chip.host_cpu, 'x86') as cpu_arch, network, min_gpus, max_gpus, billing_increment_seconds,
    minimum_billing_seconds, purchase_option, term_months, payment, operating_system, availability, is_unlisted, is_recorded, amount, upfront_amount, currency,
    unit, upfront_usd, usd_per_hour, on_sale.usd_per_gpu_hour, effective_at, valid_from, last_seen_at, fresh_until, lapses_at,
    check_source, is_disputed, disputed_usd_per_gpu_hour, dispute, document_sha256, source_url, parser_version,
    (on_sale.usd_per_gpu_hour::double * 1000 / chip.bf16_tflops)::decimal(18, 6) as usd_per_peak_petaflop_hour,
    (on_sale.usd_per_gpu_hour::double / gpu_memory_gib::double)::decimal(18, 6) as usd_per_gib_hour,
    if(
        purchase_option = 'spot',
        round(1 - on_sale.usd_per_gpu_hour::double / on_demand.usd_per_gpu_hour::double, 4),
        null
    ) as spot_saving,
    (select count(*) from chosen) as total
from on_sale
left join chip on on_sale.gpu_id = chip.chip_id
left join on_demand on on_sale.gpu_id = on_demand.gpu_id and on_sale.provider = on_demand.provider
inner join shown on on_sale.row_no = shown.row_no
order by shown.position;

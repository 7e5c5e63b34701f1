-- grain: one row per offer: its terms, its accelerator, its place, and by which target its price ages
insert into offer_described by name
select
    offer.* exclude (gpu_memory_gib),
    coalesce(gpu.memory_gib::decimal(12, 4), offer.gpu_memory_gib) as gpu_memory_gib,
    gpu.name as gpu_name,
    gpu.vendor as gpu_vendor,
    gpu.form_factor,
    region.country,
    region.continent,
    source.kind as source_kind,
    if(
        source.kind = 'archive',
        list_target(live_source.fresh_for_seconds, reseller.fresh_for_seconds),
        source.fresh_for_seconds
    ) as fresh_for_seconds,
    if(source.kind = 'archive', live_source.source, offer.source) as check_source,
    doubled.offer_id is not null as is_doubled,
    offer.offer_no in (select offer_no from renamed_offer union select other_no from renamed_offer) as is_renamed
from offer
inner join source on offer.source = source.source
left join live_source on offer.provider = live_source.provider
left join live_source as reseller on offer.via = reseller.provider
left join gpu on offer.gpu_id = gpu.gpu_id
left join region on offer.provider = region.provider and offer.region = region.region
-- Most offers have one source. One identity is of one provider, so few identities are counted.
left join (
    select offer_id
    from offer
    where provider in (select provider from offer group by provider having min(source) < max(source))
    group by offer_id
    having count(*) > 1
) as doubled on offer.offer_id = doubled.offer_id
order by offer.offer_no;

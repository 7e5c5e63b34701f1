-- grain: one row per offer: its terms, its accelerator, its place, and by which target its price ages
-- parameters: managed_tiers varchar[]; reader_providers, reader_options and reader_sources varchar, three lists of equal
--             length parted by commas (core/store/check_source.py: who reads what; a list of structs takes longer to bind
--             than all the rest to run)
insert into offer_described by name
select
    offer.* exclude (gpu_memory_gib, min_gpus, max_gpus, is_sized),
    -- a list that says nothing of sizes does not deny those that another list gave for the same thing by another name
    if(is_sized, offer.min_gpus, sizes.min_gpus) as min_gpus,
    if(is_sized, offer.max_gpus, sizes.max_gpus) as max_gpus,
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
    case
        when source.kind <> 'archive' then offer.source
        when not coalesce(list_contains($managed_tiers::varchar[], offer.tier), false) then reader.check_source
    end as check_source,
    doubled.offer_id is not null as is_doubled,
    offer.offer_no in (select offer_no from renamed_offer union select other_no from renamed_offer) as is_renamed
from (
    select offer.*, offer.min_gpus is not null or offer.max_gpus is not null as is_sized
    from offer
) as offer
inner join source on offer.source = source.source
left join (
    select renamed_offer.other_no, min(sized.min_gpus) as min_gpus, max(sized.max_gpus) as max_gpus
    from renamed_offer
    inner join offer as sized on renamed_offer.offer_no = sized.offer_no
    where sized.max_gpus is not null
    group by renamed_offer.other_no
) as sizes
    on offer.offer_no = sizes.other_no and source.kind = 'archive'
left join live_source on offer.provider = live_source.provider
left join live_source as reseller on offer.via = reseller.provider
left join (
    select
        unnest(string_split($reader_providers::varchar, ',')) as provider,
        unnest(string_split($reader_options::varchar, ',')) as purchase_option,
        unnest(string_split($reader_sources::varchar, ',')) as check_source
) as reader
    on offer.provider = reader.provider and offer.purchase_option = reader.purchase_option
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
-- Past days are read in this order, and who asks for some of an accelerator's offers reads a block where all of them stand.
order by offer.gpu_id, offer.purchase_option, offer.offer_no;

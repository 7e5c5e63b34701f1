-- grain: one row per source and offer of some accelerators, providers, a place and so on; null does not filter
-- What every question about the past begins with: the offers are chosen before the log is read.
create or replace macro offer_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count) as table
select offer.*, source.kind, source.confidence, source.fresh_for_seconds
from offer
inner join source on offer.source = source.source
left join region on offer.provider = region.provider and offer.region = region.region
where
    (gpu_ids is null or list_contains(gpu_ids, offer.gpu_id))
    and (providers is null or list_contains(providers, offer.provider))
    and (place is null or is_in_place([lower(place)], offer.region, region.country, region.continent))
    and (tiers is null or list_contains(tiers, offer.tier))
    and (purchase_options is null or list_contains(purchase_options, offer.purchase_option))
    and sells_count(offer.gpu_count, offer.min_gpus, offer.max_gpus, min_count, max_count);

comment on macro table offer_wanted is
    'Rows of offer of some gpu_ids, providers, a place (region code, ISO country or continent), tiers, purchase_options and accelerators per order (see sells_count); null does not filter.';

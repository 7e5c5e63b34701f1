-- grain: scalar; whether an offer is of some accelerators, providers, a place and so on; null does not filter
create or replace macro is_of(gpu_ids, providers, place, tiers, purchase_options, gpu_id, provider, region, country, continent, tier, purchase_option) as
    (gpu_ids is null or list_contains(gpu_ids, gpu_id))
    and (providers is null or list_contains(providers, provider))
    and (place is null or is_in_place([lower(place)], region, country, continent))
    and (tiers is null or list_contains(tiers, tier))
    and (purchase_options is null or list_contains(purchase_options, purchase_option));

comment on macro is_of is
    'Whether an offer is of some gpu_ids, providers, a place (region code, ISO country or continent), tiers and purchase_options; null does not filter.';

-- grain: one row per source and offer of some accelerators, providers, a place and so on; null does not filter
-- What every question about the past begins with: the offers are chosen before the log is read.
create or replace macro offer_wanted(gpu_ids, providers, place, tiers, purchase_options, min_count, max_count) as table
select offer.*, source.kind, source.confidence, source.fresh_for_seconds
from (
    -- with the sizes of an order that another name of the thing gives
    select
        offer.* replace (
            coalesce(offer.min_gpus, described.min_gpus) as min_gpus, coalesce(offer.max_gpus, described.max_gpus) as max_gpus
        )
    from offer
    left join offer_described as described on offer.offer_no = described.offer_no
) as offer
inner join source on offer.source = source.source
left join region on offer.provider = region.provider and offer.region = region.region
where
    is_of(
        gpu_ids, providers, place, tiers, purchase_options, offer.gpu_id, offer.provider, offer.region, region.country,
        region.continent, offer.tier, offer.purchase_option
    )
    and sells_count(offer.gpu_count, offer.min_gpus, offer.max_gpus, min_count, max_count);

comment on macro table offer_wanted is
    'Rows of offer of some gpu_ids, providers, a place (region code, ISO country or continent), tiers, purchase_options and accelerators per order (see sells_count); null does not filter.';

-- Continents of the countries among some places, and of the region codes, which are of one provider each: `eu`, `runpod eu`.
create or replace macro place_continents(places) as (
    select coalesce(list(distinct continent_code), [])
    from (
        select
            if(list_contains(places, lower(country)), '', provider || ' ')
            || unnest(string_split(lower(continent), ' ')) as continent_code
        from region
        where list_contains(places, lower(country)) or list_contains(places, lower(region))
    )
);

comment on macro place_continents is
    'Continents of the countries among some places (codes in small letters), and of region codes with the provider before them.';

-- The same rule as gpuledger.core.provider.may_be_in; a test holds them equal.
create or replace macro may_be_in_place(places, provider, country, continent) as
    country is null
    and (
        continent is null
        or list_has_any(
            place_continents(places),
            list_concat(
                string_split(lower(continent), ' '),
                string_split(provider || ' ' || replace(lower(continent), ' ', ',' || provider || ' '), ',')
            )
        )
    );

comment on macro may_be_in_place is
    'Whether an offer that names no country may lie in one of some places: its continent is that of a country asked for or of a region of its provider''s, or not known.';

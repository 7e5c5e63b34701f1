-- grain: one row per offer on sale, with the reason why a quote leaves it out (null: it may be quoted)
-- A temporary view over `on_sale` (on_sale.sql), the variables quote_allow_stale and the filters quote_gpu_ids,
-- quote_by_provider (true or empty), quote_providers, quote_regions, quote_tiers, quote_purchase_options: comma-separated, empty means any. Text and not
-- lists, because binding a list from Python takes about 60 microseconds per element.
create or replace temporary view quote_offer as
select
    *,
    case
        when getvariable('quote_gpu_ids') <> ''
            and coalesce(not list_contains(string_split(getvariable('quote_gpu_ids'), ','), gpu_id), true)
            then 'another GPU than asked for'
        when getvariable('quote_providers') <> ''
            and not list_contains(string_split(getvariable('quote_providers'), ','), provider)
            then 'another provider than asked for'
        when getvariable('quote_regions') <> '' and country is null and continent is null
            and not list_contains(string_split(getvariable('quote_regions'), ','), lower(region))
            then 'its place is not known'
        when getvariable('quote_regions') <> ''
            and may_be_in_place(string_split(getvariable('quote_regions'), ','), provider, country, continent)
            and not is_in_place(string_split(getvariable('quote_regions'), ','), region, country, continent)
            then 'its country is not known'
        when getvariable('quote_regions') <> ''
            and not is_in_place(string_split(getvariable('quote_regions'), ','), region, country, continent)
            then 'another region than asked for'
        when getvariable('quote_tiers') <> ''
            and coalesce(not list_contains(string_split(getvariable('quote_tiers'), ','), tier), true)
            then 'another tier than asked for'
        when getvariable('quote_purchase_options') <> ''
            and not list_contains(string_split(getvariable('quote_purchase_options'), ','), purchase_option)
            then 'another purchase option than asked for'
        when usd_per_hour is null then 'no price in US dollars'
        when gpu_id is null then 'accelerator not identified'
        when gpu_count < 1 or gpu_count <> floor(gpu_count) then 'part of a GPU'
    end as excluded_because,
    -- several instances of a marketplace or of a reseller share no network that anybody vouches for
    coalesce(tier, '') <> 'community' and provider <> 'vast' and via is null as may_join,
    -- one number for what offers of a shape have in common: a join on it takes half the time of one on seven columns
    hash(
        case when getvariable('quote_by_provider') = 'true' then provider else '' end, purchase_option, gpu_id, gpu_count, min_gpus, max_gpus,
        may_join
    ) as shape_key,
    if(price_state = 'stale' and getvariable('quote_allow_stale')::boolean, 0, state_rank(price_state)) as state_class
from on_sale;

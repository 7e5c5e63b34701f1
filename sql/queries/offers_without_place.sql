-- grain: one row, how many offers of the view on_sale may be in a place that was asked for and are left out, because nobody
-- can place them (offers), or knows their country (countryless)
-- parameters: gpu_ids, providers, tiers and purchase_options varchar (parted by commas; null: all), regions varchar (codes
-- that were asked for)
select
    count(*) filter (where continent is null) as offers,
    count(*) filter (where continent is not null) as countryless
from on_sale
where
    price_state <> 'lapsed'
    and ($gpu_ids::varchar is null or list_contains(string_split($gpu_ids::varchar, ','), gpu_id))
    and ($providers::varchar is null or list_contains(string_split($providers::varchar, ','), provider))
    and ($tiers::varchar is null or list_contains(string_split($tiers::varchar, ','), tier))
    and (
        $purchase_options::varchar is null
        or list_contains(string_split($purchase_options::varchar, ','), purchase_option)
    )
    and not is_in_place(string_split($regions::varchar, ','), region, country, continent)
    and may_be_in_place(string_split($regions::varchar, ','), provider, country, continent);

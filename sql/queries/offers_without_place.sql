-- grain: one row, how many offers of the view on_sale nobody can place, of some accelerators and providers
-- A question for a region leaves them out, and says how many.
-- parameters: gpu_ids and providers varchar (parted by commas; null: all), regions varchar (codes that were asked for)
select count(*) as offers
from on_sale
where
    continent is null and country is null
    and price_state <> 'lapsed'
    and ($gpu_ids::varchar is null or list_contains(string_split($gpu_ids::varchar, ','), gpu_id))
    and ($providers::varchar is null or list_contains(string_split($providers::varchar, ','), provider))
    and not list_contains(string_split($regions::varchar, ','), lower(region));

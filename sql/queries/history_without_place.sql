-- grain: one row, how many offers that were ever seen may be in a place that was asked for and are left out, as
-- offers_without_place.sql counts those on sale
-- parameters: gpu_ids varchar[], providers varchar[], tiers varchar[], purchase_options varchar[], min_count double,
--             max_count double (null: no filter), regions varchar[]
select
    count(distinct wanted.offer_id) filter (where region.continent is null) as offers,
    count(distinct wanted.offer_id) filter (where region.continent is not null) as countryless
from offer_wanted(
    $gpu_ids::varchar[], $providers::varchar[], null::varchar, $tiers::varchar[], $purchase_options::varchar[],
    $min_count::double, $max_count::double
) as wanted
left join region on wanted.provider = region.provider and wanted.region = region.region
where
    not is_in_place($regions::varchar[], wanted.region, region.country, region.continent)
    and may_be_in_place($regions::varchar[], wanted.provider, region.country, region.continent);

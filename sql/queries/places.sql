-- grain: one row per place that an offer was ever in, in small letters: a country, a continent or a region code
select code, string_agg(distinct place_name, '; ' order by place_name) as place_names
from (
    select distinct provider, region from offer
) as seen
left join region on seen.provider = region.provider and seen.region = region.region
cross join lateral (
    select lower(seen.region) as code, region.location_name as place_name, 2 as kind_no
    union all
    select lower(region.country), region.location_name, 0
    union all
    select unnest(string_split(lower(region.continent), ' ')), null::varchar, 1
) as place
where code is not null and code <> ''
group by code
order by min(kind_no), code;

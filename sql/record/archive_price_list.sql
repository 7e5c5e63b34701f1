-- grain: one appended row per document of an archive's run and provider in it
-- parameters: run_no integer, first_document integer, observed_at timestamptz, places integer[], kinds varchar[],
--             covers_from and covers_until varchar[] (null: first and last row)
insert into price_list by name
select
    $run_no::integer as run_no,
    list.place as document_place,
    offer.provider,
    list.kind,
    coalesce(list.covers_from, min(observation.observed_at)) as covers_from,
    -- a list cannot know what comes after it was read
    least(coalesce(list.covers_until, max(observation.observed_at)), greatest($observed_at::timestamptz, max(observation.observed_at)))
        as covers_until,
    count(*) as row_count
from observation
inner join offer on observation.offer_no = offer.offer_no
inner join (
    select
        unnest($places::integer[]) as place, unnest($kinds::varchar[]) as kind,
        unnest($covers_from::timestamptz[]) as covers_from, unnest($covers_until::timestamptz[]) as covers_until
) as list
    on observation.document_no = $first_document::integer + list.place
group by list.place, list.kind, list.covers_from, list.covers_until, offer.provider
order by list.place, offer.provider;

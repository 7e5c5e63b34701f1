-- grain: one new row in offer per identity that this list shows for the first time, in its newest shape
-- parameters: run_no integer, source varchar
insert into offer by name
select
    (select coalesce(max(offer_no), 0) from offer) + row_number() over (order by seen.position) as offer_no,
    seen.* exclude (
        position, amount, upfront_amount, currency, unit, effective_at, observed_at, availability, document_no
    ),
    $source::varchar as source,
    $run_no::integer as first_run_no
from seen_arrow as seen
where not exists (
    select 1 from offer where offer.source = $source::varchar and offer.offer_id = seen.offer_id
)
qualify row_number() over (
    partition by seen.offer_id order by seen.amount is null, seen.observed_at desc, seen.position
) = 1;

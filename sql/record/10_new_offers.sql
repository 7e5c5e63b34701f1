-- grain: one new row in offer per identity that this source shows for the first time
insert into offer by name
select
    (select coalesce(max(offer_no), 0) from offer) + row_number() over (order by seen.position) as offer_no,
    seen.* exclude (
        position, amount, upfront_amount, currency, unit, effective_at, observed_at, availability, document_no
    ),
    $run_no::integer as first_run_no
from seen
where not exists (
    select 1 from offer where offer.source = seen.source and offer.offer_id = seen.offer_id
)
qualify row_number() over (partition by seen.offer_id order by seen.position) = 1;

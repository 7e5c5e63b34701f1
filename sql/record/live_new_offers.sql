-- grain: one new row in offer per identity that this source shows for the first time
-- parameters: run_no integer, source varchar
insert into offer by name
select
    difference.offer_no,
    seen.* exclude (
        position, amount, upfront_amount, currency, unit, effective_at, observed_at, availability, document_no
    ),
    $source::varchar as source,
    $run_no::integer as first_run_no
from seen_arrow as seen
inner join difference on seen.position = difference.position
where difference.is_new
order by difference.offer_no;

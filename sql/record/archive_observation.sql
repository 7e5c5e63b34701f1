-- grain: one row per offer and time of this list; of two prices at one time the lower one stands
-- parameters: source varchar, observed_at timestamptz, run_no integer
create or replace temp table observation as
select
    offer.offer_no,
    offer.offer_id,
    coalesce(seen.observed_at, $observed_at::timestamptz) as observed_at,
    min(seen.amount) as amount,
    arg_min(seen.upfront_amount, seen.amount) as upfront_amount,
    arg_min(seen.currency, seen.amount) as currency,
    arg_min(seen.unit, seen.amount) as unit,
    arg_min(seen.effective_at, seen.amount) as effective_at,
    $run_no::integer as run_no,
    coalesce(arg_min(seen.document_no, seen.amount), min(seen.document_no)) as document_no
from seen_arrow as seen
inner join offer on offer.source = $source::varchar and seen.offer_id = offer.offer_id
group by all;

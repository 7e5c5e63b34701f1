-- grain: one appended row per offer and time of a dated list, if that time is not known yet
-- Every observation is kept, not only changes: so lists may arrive in any order and give the same history.
-- Two prices of one offer at one time: the lower one stands, whichever comes first.
insert into price_change by name
select
    offer_no, observed_at,
    min(amount) as amount,
    arg_min(upfront_amount, amount) as upfront_amount,
    arg_min(currency, amount) as currency,
    arg_min(unit, amount) as unit,
    arg_min(effective_at, amount) as effective_at,
    $run_no::integer as run_no,
    arg_min(document_no, amount) as document_no
from numbered
where not exists (
    select 1 from price_change as known
    where known.offer_no = numbered.offer_no and known.observed_at = numbered.observed_at
)
group by offer_no, observed_at
order by observed_at, offer_no;

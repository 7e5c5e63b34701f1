-- grain: one row per price without the document that says so; none is healthy
-- Looks at the runs after the variable checked_run_no (unset: all).
select price_change.offer_no, price_change.observed_at
from price_change
left join document on price_change.document_no = document.document_no
where
    price_change.amount is not null
    and document.document_no is null
    and price_change.run_no > coalesce(getvariable('checked_run_no'), 0);

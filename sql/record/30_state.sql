-- grain: one row per offer of this batch, beside its state before the batch
create or replace temp table numbered as
select
    offer.offer_no,
    seen.offer_id,
    seen.source,
    seen.amount,
    seen.upfront_amount,
    seen.currency,
    seen.unit,
    seen.effective_at,
    coalesce(seen.observed_at, $observed_at::timestamptz) as observed_at,
    seen.availability,
    seen.document_no,
    before.offer_no is null as is_new,
    before.amount as amount_before,
    (before.amount, before.upfront_amount, before.currency, before.unit)
    is distinct from (seen.amount, seen.upfront_amount, seen.currency, seen.unit) as is_price_change,
    before.availability is distinct from seen.availability as is_stock_change
from seen
inner join offer on seen.source = offer.source and seen.offer_id = offer.offer_id
left join offer_current as before on offer.offer_no = before.offer_no;

-- grain: one row per price that a new run logged, by the numbers that hold here
create or replace temp table new_price as
select
    kept.observed_at,
    offer.offer_no,
    kept.amount,
    kept.upfront_amount,
    kept.currency,
    kept.unit,
    kept.effective_at,
    kept.run_no,
    new_document.document_no,
    coalesce(source.kind, 'archive') = 'live' as is_live
from shared_price_change as kept
inner join offer on kept.source = offer.source and kept.offer_id = offer.offer_id
left join source on kept.source = source.source
left join new_document on kept.run_no = new_document.run_no and kept.document_place = new_document.document_place;

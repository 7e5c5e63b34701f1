-- grain: one row per price that a new run logged, by the numbers that hold here
-- parameters: since bigint
create or replace temp table new_price as
select
    kept.observed_at,
    offer.offer_no,
    kept.amount,
    kept.upfront_amount,
    kept.currency,
    kept.unit,
    kept.effective_at,
    new_run.run_no,
    new_document.document_no,
    coalesce(source.kind, 'archive') = 'live' as is_live
from lake.price_change as kept
inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no
inner join offer on kept.source = offer.source and kept.offer_id = offer.offer_id
left join source on kept.source = source.source
left join new_document on new_run.run_no = new_document.run_no and kept.document_place = new_document.document_place
where kept.snapshot_id > $since::bigint;

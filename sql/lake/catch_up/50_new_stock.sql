-- grain: one row per stock that a new run logged, by the numbers that hold here
-- parameters: since bigint
create or replace temp table new_stock as
select kept.observed_at, offer.offer_no, kept.availability, new_run.run_no
from lake.stock_change as kept
inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no
inner join offer on kept.source = offer.source and kept.offer_id = offer.offer_id
where kept.snapshot_id > $since::bigint;

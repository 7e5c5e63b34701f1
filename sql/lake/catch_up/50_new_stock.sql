-- grain: one row per stock that a new run logged, by the numbers that hold here
create or replace temp table new_stock as
select kept.observed_at, offer.offer_no, kept.availability, kept.run_no
from shared_stock_change as kept
inner join offer on kept.source = offer.source and kept.offer_id = offer.offer_id;

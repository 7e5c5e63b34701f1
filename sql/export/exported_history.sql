-- grain: one row per row of price_history; put in order once, then written month by month
create or replace temp table exported_history as
select * from price_history
order by valid_from, source, offer_id;

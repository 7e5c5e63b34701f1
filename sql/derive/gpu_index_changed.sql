-- grain: one row per series of the index (GPU, purchase option, segment) with a vote or a day since a date
-- parameters: since date
create or replace temp table index_changed as
select gpu_id, purchase_option, segment from gpu_vote_day where price_date >= $since::date
union
select gpu_id, purchase_option, segment from gpu_index_day where price_date >= $since::date;

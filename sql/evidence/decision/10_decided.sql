-- grain: one row per open dispute that an operator decides
-- parameters: source varchar, offer_ids varchar[]
create or replace temp table decided as
select *
from disputed_latest
where source = $source::varchar and list_contains($offer_ids::varchar[], offer_id);

-- grain: one appended row in former_offer_id per offer whose id is another in this release
-- parameters: former varchar[], new varchar[]
insert into former_offer_id
select former_id, offer_id
from (select unnest($former::varchar[]) as former_id, unnest($new::varchar[]) as offer_id) as noted
where former_id not in (select former_id from former_offer_id);

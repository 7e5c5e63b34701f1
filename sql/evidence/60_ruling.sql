-- grain: one row per offer that is held back, or whose claim is confirmed, with the time from which it then holds
create or replace temp table ruling as
select
    ruled.offer_id,
    ruled.is_held,
    if(not ruled.is_held and (claimed.is_as_disputed or claim.claim = 'absence'), claim.open_at, null) as claimed_at
from ruled
inner join claim on ruled.offer_id = claim.offer_id
inner join claimed on ruled.offer_id = claimed.offer_id;

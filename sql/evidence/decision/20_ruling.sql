-- grain: one row per offer of a source: what is accepted holds from when it was first seen, all others stay as they are
-- parameters: source varchar, state varchar (accepted or rejected)
create or replace temp table ruling as
select offer_id, false as is_held, since_at as claimed_at
from decided
where $state::varchar = 'accepted'
union all
select offer_id, true, null
from offer_current
where
    source = $source::varchar
    and ($state::varchar <> 'accepted' or offer_id not in (select offer_id from decided));

-- grain: one row per row of a dated list that counts: all but those that say a price that is held back
-- parameters: none; reads the list as seen_arrow, the rows that were weighed as newest_arrow, and ruling
select seen.position
from seen_arrow as seen
anti join (
    select newest.*
    from newest_arrow as newest
    inner join ruling on newest.offer_id = ruling.offer_id
    where ruling.is_held
) as held
    on seen.offer_id = held.offer_id
    and seen.amount = held.amount
    and seen.upfront_amount is not distinct from held.upfront_amount
    and seen.currency = held.currency
    and seen.unit = held.unit
order by seen.position;

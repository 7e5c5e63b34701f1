-- grain: one updated row in difference per new offer: it gets the next number
update difference
set offer_no = numbered.offer_no
from (
    select
        position,
        (select coalesce(max(offer_no), 0) from offer) + row_number() over (order by position) as offer_no
    from difference
    where is_new
) as numbered
where difference.is_new and difference.position = numbered.position;

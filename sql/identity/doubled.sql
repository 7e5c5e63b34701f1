-- grain: one row in joined_offer per offer that is another one now, with the number of that which goes on
create or replace temp table joined_offer as
select
    offer_no,
    min(offer_no) over (partition by source, offer_id) as first_no
from offer
qualify offer_no <> first_no;

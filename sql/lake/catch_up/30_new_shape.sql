-- grain: one row per offer to which a new run gave a shape, the last one; with its number where it is known here
create or replace temp table new_shape as
select shaped.*, offer.offer_no
from (
    select *
    from shared_offer
    qualify row_number() over (partition by source, offer_id order by run_no desc, place desc) = 1
) as shaped
left join offer on shaped.source = offer.source and shaped.offer_id = offer.offer_id;

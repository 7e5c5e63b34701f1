-- grain: one row per provider and offer that may be quoted, of each provider those with the best lower bounds of their total
-- parameters: bounds varchar and states varchar as quote_floor.sql takes them; each integer: offers of a provider
with ranked as (
    select * from quote_floor($bounds, $states)
    qualify
        row_number() over (partition by provider order by misses, state_class, floor_usd, price_id)
        <= $each::integer
)

select ranked.state_class, ranked.misses, ranked.floor_usd, offer.*
from on_sale as offer
inner join ranked on offer.row_no = ranked.row_no
order by ranked.misses, ranked.state_class, ranked.floor_usd, offer.price_id;

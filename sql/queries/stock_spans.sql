-- grain: one row per offer and span in which its stock was seen to be one thing, oldest first
-- parameters: offer_ids varchar[]; now timestamptz
select
    offer.offer_id,
    stock_change.observed_at as begun,
    least(
        lead(stock_change.observed_at, 1, $now::timestamptz) over (
            partition by stock_change.offer_no order by stock_change.observed_at
        ),
        $now::timestamptz
    ) as ended,
    stock_change.availability in ('available', 'limited') as is_there
from stock_change
inner join offer on stock_change.offer_no = offer.offer_no
where list_contains($offer_ids::varchar[], offer.offer_id) and stock_change.availability <> 'unknown'
order by offer.offer_id, begun

-- grain: one row per offer, the last state of both logs: for a program that opens the lake itself
create view if not exists lake.offer_current as
with last_price as (
    select *
    from price_change
    qualify row_number() over (
        partition by source, offer_id order by observed_at desc, amount nulls last
    ) = 1
),

last_stock as (
    select source, offer_id, arg_max(availability, observed_at) as availability
    from stock_change
    group by source, offer_id
)

select
    last_price.source,
    last_price.offer_id,
    last_price.observed_at as changed_at,
    last_price.amount,
    last_price.upfront_amount,
    last_price.currency,
    last_price.unit,
    last_price.effective_at,
    last_price.run_id,
    coalesce(last_stock.availability, 'unknown') as availability
from last_price
left join last_stock on last_price.source = last_stock.source and last_price.offer_id = last_stock.offer_id;

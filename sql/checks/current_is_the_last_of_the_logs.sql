-- grain: one row per offer whose current state is not what its logs end with; none is healthy
with last_price as (
    select offer_no, max(observed_at) as changed_at
    from price_change
    group by offer_no
),

last_stock as (
    select
        offer_no,
        max(observed_at) as stock_changed_at,
        arg_max(availability, observed_at) as availability
    from stock_change
    group by offer_no
),

expected as (
    select
        price_change.offer_no, last_price.changed_at, price_change.amount, price_change.upfront_amount,
        price_change.currency, price_change.unit, price_change.run_no, price_change.document_no,
        coalesce(last_stock.availability, 'unknown') as availability
    from price_change
    inner join last_price
        on price_change.offer_no = last_price.offer_no and price_change.observed_at = last_price.changed_at
    left join last_stock on price_change.offer_no = last_stock.offer_no
),

kept as (
    select
        offer_no, changed_at, amount, upfront_amount, currency, unit, run_no, document_no, availability
    from offer_current
)

select * from ((from expected except all from kept) union all (from kept except all from expected));

-- grain: one row per offer whose current state is not what its logs end with; none is healthy
-- Looks at the offers that a run after the variable checked_run_no changed (unset: all). Their earlier rows cannot
-- be newer than their state, which an earlier check proved.
with touched as (
    select distinct offer_no
    from (
        select offer_no from price_change where run_no > coalesce(getvariable('checked_run_no'), 0)
        union all
        select offer_no from stock_change where run_no > coalesce(getvariable('checked_run_no'), 0)
    )
),

recent_at as (
    select coalesce(min(observed_at), 'infinity'::timestamptz) as from_at
    from (
        select observed_at from price_change where run_no > coalesce(getvariable('checked_run_no'), 0)
        union all
        select observed_at from stock_change where run_no > coalesce(getvariable('checked_run_no'), 0)
    )
),

last_price as (
    select offer_no, max(observed_at) as changed_at
    from price_change
    where observed_at >= (select from_at from recent_at)
    group by offer_no
),

last_stock as (
    select
        offer_no,
        max(observed_at) as stock_changed_at,
        arg_max(availability, observed_at) as availability
    from stock_change
    where observed_at >= (select from_at from recent_at)
    group by offer_no
),

expected as (
    select
        price_change.offer_no, last_price.changed_at, price_change.amount, price_change.upfront_amount,
        price_change.currency, price_change.unit, price_change.run_no, price_change.document_no
    from price_change
    inner join last_price
        on price_change.offer_no = last_price.offer_no and price_change.observed_at = last_price.changed_at
    where price_change.observed_at >= (select from_at from recent_at)
)

select
    coalesce(kept.offer_no, touched.offer_no) as offer_no, kept.changed_at, expected.changed_at as logged_at,
    kept.amount, expected.amount as logged_amount, kept.availability, last_stock.availability as logged_availability
from touched
full join offer_current as kept on touched.offer_no = kept.offer_no
left join expected on kept.offer_no = expected.offer_no
left join last_stock on kept.offer_no = last_stock.offer_no
where
    kept.offer_no is null
    or expected.offer_no is not null
    and (kept.changed_at, kept.amount, kept.upfront_amount, kept.currency, kept.unit, kept.run_no, kept.document_no)
    is distinct from (
        expected.changed_at, expected.amount, expected.upfront_amount, expected.currency, expected.unit,
        expected.run_no, expected.document_no
    )
    or last_stock.offer_no is not null and kept.availability <> last_stock.availability
    or coalesce(getvariable('checked_run_no'), 0) = 0
    and (expected.offer_no is null or last_stock.offer_no is null and kept.availability <> 'unknown');

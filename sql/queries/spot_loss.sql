-- grain: one row per provider, instance type and region of spot offers: hours available and losses seen
-- parameters: as_of timestamptz (null: now)
with state as (
    select
        offer.provider, offer.instance_type, offer.region, stock_change.availability,
        stock_change.observed_at as from_at,
        lead(stock_change.observed_at) over (
            partition by stock_change.offer_no order by stock_change.observed_at
        ) as to_at,
        lead(stock_change.availability) over (
            partition by stock_change.offer_no order by stock_change.observed_at
        ) as next_availability
    from stock_change
    inner join offer on stock_change.offer_no = offer.offer_no
    where offer.purchase_option = 'spot'
        and ($as_of::timestamptz is null or stock_change.observed_at <= $as_of::timestamptz)
)

select
    provider, instance_type, region,
    sum(epoch(to_at - from_at)) / 3600 as available_hours,
    count(*) filter (next_availability = 'sold_out') as losses
from state
where availability in ('available', 'limited') and to_at is not null
group by provider, instance_type, region
order by provider, instance_type, region;

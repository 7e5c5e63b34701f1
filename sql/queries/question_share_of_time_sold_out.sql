-- grain: one row per provider and instance type whose stock is published: share of the time it was sold out
-- parameters: until timestamptz
with state as (
    select
        offer.provider, offer.instance_type, stock_change.availability, stock_change.observed_at,
        lead(stock_change.observed_at, 1, $until::timestamptz) over (
            partition by stock_change.offer_no order by stock_change.observed_at
        ) as until_at
    from stock_change
    inner join offer on stock_change.offer_no = offer.offer_no
)

select
    provider, instance_type,
    round(
        coalesce(sum(epoch(until_at - observed_at)) filter (availability = 'sold_out'), 0)
        / sum(epoch(until_at - observed_at)), 4
    ) as share_sold_out
from state
where until_at > observed_at
group by provider, instance_type
having count(*) filter (availability in ('available', 'limited', 'sold_out')) > 0
order by share_sold_out desc, provider, instance_type;

-- grain: one row per known offer whose price moved in this run, the largest moves first
select
    offer.provider,
    offer.instance_type,
    offer.region,
    offer.tier,
    offer.purchase_option,
    numbered.amount_before,
    numbered.amount,
    numbered.currency,
    numbered.unit,
    cast(numbered.amount / numbered.amount_before - 1 as decimal(9, 4)) as change
from numbered
inner join offer on numbered.offer_no = offer.offer_no
where numbered.is_price_change and numbered.amount_before is not null
order by abs(change) desc, offer.provider, offer.instance_type, offer.region
limit 50;

-- grain: one row per known offer whose price moved in this run, the largest moves first
select
    offer.provider,
    offer.instance_type,
    offer.region,
    offer.tier,
    offer.purchase_option,
    difference.amount_before,
    difference.amount,
    difference.currency,
    difference.unit,
    cast(least(difference.amount / difference.amount_before - 1, 99999) as decimal(9, 4)) as change
from difference
inner join offer on difference.offer_no = offer.offer_no
where difference.is_price_change and difference.amount is not null and difference.amount_before is not null
order by abs(change) desc, offer.provider, offer.instance_type, offer.region
limit 50;

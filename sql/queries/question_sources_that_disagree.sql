-- grain: one row per offer that two sources see at different prices now
select
    offer.provider, offer.instance_type, offer.region,
    min(offer_current.amount) as lowest_amount, max(offer_current.amount) as highest_amount,
    list(offer.source order by offer.source) as sources
from offer_current
inner join offer on offer_current.offer_no = offer.offer_no
where offer_current.amount is not null
group by offer.offer_id, offer.provider, offer.instance_type, offer.region, offer_current.currency, offer_current.unit
having count(*) > 1 and min(offer_current.amount) <> max(offer_current.amount)
order by offer.provider, offer.instance_type, offer.region;

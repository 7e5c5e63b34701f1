-- grain: one row per offer that is withdrawn, and was on sale until after a time
-- parameters: since timestamptz
select offer.provider, offer.instance_type, offer.region, offer.purchase_option, offer_current.changed_at as withdrawn_at
from offer_current
inner join offer on offer_current.offer_no = offer.offer_no
where offer_current.amount is null and offer_current.changed_at > $since::timestamptz
order by withdrawn_at, offer.provider, offer.instance_type, offer.region;

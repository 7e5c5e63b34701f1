-- grain: one row per offer that was seen for the first time after a time
-- parameters: since timestamptz
select offer.provider, offer.instance_type, offer.region, offer.purchase_option, min(history.valid_from) as first_seen_at
from price_history as history
inner join offer on history.source = offer.source and history.offer_id = offer.offer_id
group by offer.provider, offer.instance_type, offer.region, offer.purchase_option, offer.offer_id
having first_seen_at > $since::timestamptz
order by first_seen_at, offer.provider, offer.instance_type, offer.region;

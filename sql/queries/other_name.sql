-- grain: one row per offer that is the same thing on sale as one offer, under another name in another list
-- parameters: source and offer_id varchar
select other.source, other.offer_id
from offer
inner join renamed_offer on offer.offer_no = renamed_offer.offer_no
inner join offer as other on renamed_offer.other_no = other.offer_no
where offer.source = $source and offer.offer_id = $offer_id
order by all;

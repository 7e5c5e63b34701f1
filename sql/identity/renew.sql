-- grain: one updated row in offer, and in offer_current, per former id
update offer
set offer_id = former.offer_id from former_offer_id as former
where offer.offer_id = former.former_id;

update offer_current
set offer_id = former.offer_id from former_offer_id as former
where offer_current.offer_id = former.former_id;

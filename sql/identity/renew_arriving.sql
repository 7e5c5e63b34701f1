-- grain: one updated row per row of a former id that another machine appended to a shared log
update shared_offer
set offer_id = former.offer_id from former_offer_id as former
where shared_offer.offer_id = former.former_id;

update shared_price_change
set offer_id = former.offer_id from former_offer_id as former
where shared_price_change.offer_id = former.former_id;

update shared_stock_change
set offer_id = former.offer_id from former_offer_id as former
where shared_stock_change.offer_id = former.former_id;

-- grain: one deleted row per offer and time of a dated list
-- parameters: source varchar (null: all of them)
delete from dated_price
where $source::varchar is null or offer_no in (select offer_no from offer where source = $source::varchar);

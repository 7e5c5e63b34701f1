-- grain: one appended row per price of a live source
insert into price_change by name
select * exclude (is_live) from new_price where is_live order by run_no, offer_no;

-- grain: one appended row per stock that a new run logged
insert into stock_change by name
select * from new_stock order by run_no, offer_no;

-- grain: one row per offer; in a snapshot, which nobody writes, the rows of the view of the same name take its place
create temporary table described as select * from offer_described;
drop view offer_described;
create table offer_described as select * from described order by offer_no;
comment on table offer_described is 'One row per offer: its terms, accelerator and place, and by which target its price ages.';
drop table described;

-- grain: one row per offer on sale at the time that the table of offer_past.sql holds, with its place in it
create or replace temporary view on_sale as
select rowid as row_no, * from offer_past;

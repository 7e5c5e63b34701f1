-- grain: one row per offer on sale now, with its place in the table: what a quote or a page chooses from
-- A temporary view under the name that on_sale_then.sql uses as well. Nothing is joined to past prices here, because
-- merely planning for them costs every query 4 ms.
create or replace temporary view on_sale as
select rowid as row_no, * from offer_latest;

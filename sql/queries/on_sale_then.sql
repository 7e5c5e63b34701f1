-- grain: one row per offer on sale at a past time, of the table of offer_past.sql that the variable past_table names, with its
-- number in that table and its price_state at the variable question_at
-- The name of the table is put in the place of query_table (core/store/offers.py), which has no rowid: of rows that are asked for by
-- another column DuckDB reads all blocks.
create or replace temporary view on_sale as
select
    rowid as row_no, *,
    price_state(
        getvariable('question_at')::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability
    ) as price_state
from query_table(getvariable('past_table'));

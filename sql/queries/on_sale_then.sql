-- grain: one row per offer on sale at a past time, of a table of offer_past.sql, with its number in that table and its price_state at
-- the variable question_at
-- core/store/offers.py puts the name of the table that all readers share in the place of this connection's own. query_table would do so
-- without, but has no rowid, and of rows that are asked for by another column DuckDB reads all blocks.
create or replace temporary view on_sale as
select
    rowid as row_no, *,
    price_state(
        getvariable('question_at')::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability
    ) as price_state
from temp.main.offer_past;

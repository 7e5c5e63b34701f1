-- grain: one row per offer on sale at the time that the table of offer_past.sql holds, with its place in it and its
-- price_state at the variable question_at
create or replace temporary view on_sale as
select
    rowid as row_no, *,
    price_state(
        getvariable('question_at')::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability
    ) as price_state
from offer_past;

-- grain: one row per offer on sale at a past time, of the table of offer_past.sql that the variable past_table names, with
-- its price_state at the variable question_at
create or replace temporary view on_sale as
select
    *,
    price_state(
        getvariable('question_at')::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability
    ) as price_state
from query_table(getvariable('past_table'));

-- grain: one row per offer on sale now, with its number in the table, its place in the order (here the same) and its price_state at
-- the variable question_at
-- What every question about offers chooses from. A temporary view under the name that on_sale_then.sql uses as well.
-- Nothing is joined to past prices here, because merely planning for them costs every query 4 ms.
create or replace temporary view on_sale as
select
    rowid as row_no, rowid as place_no, *,
    price_state(
        getvariable('question_at')::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability
    ) as price_state
from offer_last_seen;

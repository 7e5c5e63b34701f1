-- grain: one row per offer on sale at the variable as_of, with its price_state at the variable question_at
-- For a question that reads it once and needs few of its columns: DuckDB reads no others, and nothing is kept.
create or replace temporary view on_sale as
select
    *,
    price_state(
        getvariable('question_at')::timestamptz, is_recorded, fresh_until, lapses_at, is_unlisted, availability
    ) as price_state
from offers_as_of(getvariable('as_of')::timestamptz);

-- grain: one row per start of a day by which a million more rows were logged since the last checkpoint
-- parameters: now timestamptz, rows_apart bigint
with base as (
    select coalesce(max(checkpoint_at), '-infinity'::timestamptz) as base_at from price_checkpoint
),

logged as (
    select date_trunc('day', observed_at) + interval 1 day as checkpoint_at, count(*) as row_count
    from (
        select observed_at from price_change where observed_at > (select base_at from base)
        union all
        select observed_at from stock_change where observed_at > (select base_at from base)
    )
    group by checkpoint_at
),

running as (
    select checkpoint_at, sum(row_count) over (order by checkpoint_at) // $rows_apart::bigint as part
    from logged
)

select checkpoint_at
from running
where checkpoint_at <= $now::timestamptz
qualify part > lag(part, 1, 0) over (order by checkpoint_at)
order by checkpoint_at;

-- grain: one row, the oldest time that a run after the last derived one wrote to either log (null: none)
-- parameters: run_no integer
select min(observed_at) as oldest_at
from (
    select observed_at from price_change where run_no > $run_no::integer
    union all
    select observed_at from stock_change where run_no > $run_no::integer
);

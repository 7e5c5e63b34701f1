-- grain: one row, the oldest time from which rows of lists that came after the last derived run may change a day (null: none)
-- A new row confirms or ends the one before it, so the days since then follow anew; a list's silence counts from its begin.
-- parameters: run_no integer
select min(since_at) as oldest_at
from (
    select dated_price.observed_at as since_at
    from dated_price
    left join price_change as following
        on dated_price.offer_no = following.offer_no and dated_price.next_at = following.observed_at
    where dated_price.run_no > $run_no::integer or following.run_no > $run_no::integer
    union all
    select covers_from from price_list where run_no > $run_no::integer
);

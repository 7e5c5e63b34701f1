-- grain: one row, the oldest last look before a gap of a day or more that a run after the last derived one closed (null: none)
-- What was not seen during such a gap may be confirmed by the look after it, so that its days count.
-- parameters: run_no integer
select min(before_at) as before_at
from (
    select
        run_no, observed_at, lag(observed_at) over (partition by source order by observed_at) as before_at
    from scrape_run
    where outcome = 'accepted'
)
where run_no > $run_no::integer and observed_at::date > before_at::date + 1;

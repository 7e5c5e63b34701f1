-- grain: one row per source and outcome of its runs
select
    source,
    outcome,
    count(*) as runs,
    date_diff('millisecond', arg_max(started_at, run_no), arg_max(observed_at, run_no)) / 1000 as last_run_seconds,
    max(observed_at) as last_run_at
from scrape_run
group by source, outcome
order by source, outcome

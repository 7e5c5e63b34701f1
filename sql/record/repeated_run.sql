-- grain: one appended row in scrape_run per run that showed what an earlier run of its source had shown
-- Everything that is not its own is that of the earlier run. Reads the runs as repeated.
insert into scrape_run by name
select
    earlier.* replace (
        repeated.run_no as run_no,
        repeated.run_id as run_id,
        repeated.started_at as started_at,
        repeated.observed_at as observed_at,
        0 as change_count
    )
from repeated
inner join scrape_run as earlier on repeated.like_run_no = earlier.run_no
order by repeated.run_no;

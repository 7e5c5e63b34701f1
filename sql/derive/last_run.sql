-- grain: one row, the number of the last run
select coalesce(max(run_no), 0) as run_no from scrape_run;

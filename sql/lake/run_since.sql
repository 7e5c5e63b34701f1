-- grain: one row per run of the lake after a commit, with its commit and its place among the runs
-- relation: appended_scrape_run, what the commits appended
select run_id, snapshot_id as commit_no, rowid as place
from appended_scrape_run;

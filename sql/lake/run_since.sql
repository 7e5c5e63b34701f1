-- grain: one row per run of the lake after a commit, with its commit and its place among the runs
-- parameters: commit_no bigint
select run_id, snapshot_id as commit_no, rowid as place
from lake.scrape_run
where snapshot_id > $commit_no;

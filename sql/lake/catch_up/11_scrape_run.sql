-- grain: one appended row per new run
-- parameters: since bigint
insert into scrape_run by name
select new_run.run_no, kept.*
from lake.scrape_run as kept
inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no
where kept.snapshot_id > $since::bigint
order by new_run.run_no;

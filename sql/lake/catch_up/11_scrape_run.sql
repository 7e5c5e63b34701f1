-- grain: one appended row per new run
insert into scrape_run by name
select shared_scrape_run.* exclude (place), new_run.run_id
from shared_scrape_run
inner join new_run on shared_scrape_run.run_no = new_run.run_no
order by shared_scrape_run.run_no;

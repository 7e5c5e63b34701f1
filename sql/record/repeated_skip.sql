-- grain: one appended row per reason and run that showed what an earlier run of its source had shown
-- Reads the runs as repeated.
insert into skipped_row by name
select earlier.* replace (repeated.run_no as run_no)
from repeated
inner join skipped_row as earlier on repeated.like_run_no = earlier.run_no
order by repeated.run_no;

-- grain: one row per run of the lake that this ledger does not know, with the number that it gets here
create or replace temp table new_run as
with first_commit as (
    select run_id, min(commit_no) as commit_no, min(place) as place
    from arriving
    group by run_id
)

select
    run_id,
    commit_no,
    cast(
        (select coalesce(max(run_no), 0) from scrape_run) + row_number() over (order by commit_no, place) as integer
    ) as run_no
from first_commit
where run_id not in (select run_id from scrape_run);

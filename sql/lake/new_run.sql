-- grain: one row per run of the lake that this ledger does not know, with the number that it gets here and its part of
-- the catch-up
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
        (select coalesce(max(run_no), 0) from scrape_run) + row_number() over in_order as integer
    ) as run_no,
    -- a part ends with the run that fills it: one run is never in two
    cast(
        (sum(coalesce(run_size.row_count, 0)) over in_order - coalesce(run_size.row_count, 0)) // $rows_at_once as integer
    ) as part_no
from first_commit
left join run_size using (run_id)
where run_id not in (select run_id from scrape_run)
window in_order as (order by commit_no, place);

-- grain: one row per run of the lake after a commit, with its number of rows in the tables that grow
select run_id, count(*) as row_count
from (
    select run_id from lake.price_change where snapshot_id > $commit_no
    union all
    select run_id from lake.stock_change where snapshot_id > $commit_no
    union all
    select run_id from lake.offer where snapshot_id > $commit_no
)
group by run_id;

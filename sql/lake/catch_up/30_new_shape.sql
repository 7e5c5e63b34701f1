-- grain: one row per offer to which a new run gave a shape, the last one; with its number where it is known here
-- parameters: since bigint
create or replace temp table new_shape as
select shaped.*, offer.offer_no
from (
    select kept.* exclude (run_id), new_run.run_no as shape_run_no, kept.rowid as place
    from lake.offer as kept
    inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no
    where kept.snapshot_id > $since::bigint
    qualify row_number() over (
        partition by kept.source, kept.offer_id order by new_run.run_no desc, kept.rowid desc
    ) = 1
) as shaped
left join offer on shaped.source = offer.source and shaped.offer_id = offer.offer_id;

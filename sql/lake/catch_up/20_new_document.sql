-- grain: one row per document of a new run, with the number that it gets here
-- parameters: since bigint
create or replace temp table new_document as
select
    kept.* exclude (run_id),
    new_run.run_no,
    cast(
        (select coalesce(max(document_no), 0) from document)
        + row_number() over (order by new_run.run_no, kept.document_place) as integer
    ) as document_no
from lake.document as kept
inner join new_run on kept.run_id = new_run.run_id and kept.snapshot_id = new_run.commit_no
where kept.snapshot_id > $since::bigint;

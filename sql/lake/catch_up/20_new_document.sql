-- grain: one row per document of a new run, with the number that it gets here
create or replace temp table new_document as
select
    * exclude (place),
    cast(
        (select coalesce(max(document_no), 0) from document)
        + row_number() over (order by run_no, document_place) as integer
    ) as document_no
from shared_document;

-- grain: one appended row per document of a new run
insert into document by name
select * exclude (document_place) from new_document order by document_no;

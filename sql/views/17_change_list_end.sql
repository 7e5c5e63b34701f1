-- grain: one row per document that is a change list: until when it covers the market, by its number in this ledger
create or replace view change_list_end as
select first_document.document_no + price_list.document_place as document_no, max(price_list.covers_until) as end_at
from price_list
inner join (
    select run_no, min(document_no) as document_no from document group by run_no
) as first_document on price_list.run_no = first_document.run_no
where price_list.kind = 'changes'
group by all;

comment on view change_list_end is 'One row per document that is a change list: until when it covers the market.';
comment on column change_list_end.document_no is 'The document.';
comment on column change_list_end.end_at is 'End of its coverage, see price_list.covers_until.';

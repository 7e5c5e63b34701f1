-- grain: one row per offer and time of the dated lists that arrived, for record/archive_price_change; of several prices at
-- one time the lower one stands, of equal ones that of the change list which covers the longer time
create or replace temp table observation as
select new_price.* exclude (is_live)
from new_price
left join change_list_end as list on new_price.document_no = list.document_no
where not new_price.is_live
qualify row_number() over (
    partition by new_price.offer_no, new_price.observed_at
    order by new_price.amount nulls last, list.end_at desc nulls last, new_price.run_no
) = 1;

-- grain: one row per run of the lake after a commit, with its number of rows in the tables that grow
-- relations: appended_price_change, appended_stock_change and appended_offer, what the commits appended
select run_id, count(*) as row_count
from (
    select run_id from appended_price_change
    union all
    select run_id from appended_stock_change
    union all
    select run_id from appended_offer
)
group by run_id;

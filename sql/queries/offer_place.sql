-- grain: one row per offer of the table of offer_past.sql that the variable past_table names, with its
-- number as it came and its place
-- The order of offer_last_seen: offers.sql takes the place for the order of equal prices. Rows that are numbered as they come
-- cost a fifth less than a window that puts them into order.
select past_no, row_number() over () - 1 as place_no
from (
    select place_no as past_no
    from query_table(getvariable('past_table'))
    order by gpu_id, purchase_option, usd_per_gpu_hour, usd_per_hour, last_seen_at desc, provider, region, offer_id
)

-- grain: one row per offer that was on sale at the variable as_of, of the accelerators in the variable past_gpu_ids (null: all)
-- Kept as a table (core/store/past_offers.py): a quote reads its market three times or more, and each reading of the log
-- would take as long as this.
-- In the order of offer_last_seen: offers.sql takes the place for the order of equal prices, and reads few blocks. Rows that
-- are numbered as they come cost a fifth less than a window that puts them into order.
select row_number() over () - 1 as row_no, *
from (
    select *
    from offers_of_as_of(getvariable('past_gpu_ids')::varchar[], getvariable('as_of')::timestamptz)
    order by gpu_id, purchase_option, usd_per_gpu_hour, usd_per_hour, last_seen_at desc, provider, region, offer_id
)

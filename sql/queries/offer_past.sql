-- grain: one row per offer that was on sale at the variable as_of, of the accelerators in the variable past_gpu_ids (null: all)
-- Kept as a table (core/store/past_offers.py): a quote reads its market three times or more, and each reading of the log
-- would take as long as this. The numbers are of rows as they come; offer_place.sql puts them into order.
select row_number() over () - 1 as place_no, *
from offers_of_as_of(getvariable('past_gpu_ids')::varchar[], getvariable('as_of')::timestamptz)

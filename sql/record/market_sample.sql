-- grain: one appended row per GPU, count, region and purchase option of a marketplace run
insert into market_sample by name
select $run_no::integer as run_no, $observed_at::timestamptz as observed_at, fact.*
from fact;
